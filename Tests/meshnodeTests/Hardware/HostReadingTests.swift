import Testing

@testable import meshnode

@Suite("What a process may use of its machine")
struct HostReadingTests {
    private static let machine = [
        "/proc/self/status": "Name:\tmeshnode\nCpus_allowed:\tff\nCpus_allowed_list:\t0-5,8,10-11\n",
        "/proc/meminfo": "MemTotal:       16777216 kB\nMemFree:          100000 kB\nMemAvailable:    8388608 kB\n",
    ]

    private static func read(_ files: [String: String]) -> HostReading {
        let files = self.machine.merging(files) { $1 }
        return HostReading { files[$0] }
    }

    private static let unified = [
        "/proc/self/cgroup": "0::/system.slice/meshnode.service\n",
        "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    ]
    private static let older = [
        "/proc/self/cgroup": "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n0::/\n",
        "/proc/self/mountinfo": """
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory

        """,
    ]

    @Test("without limits it is what the machine has and affinity leaves")
    func unlimited() {
        let reading = Self.read([:])
        #expect(reading.cpuHundredths == 900)
        #expect(reading.memory == HostReading.Room(totalBytes: 16 << 30, freeBytes: 8 << 30))
        #expect(reading.failures.isEmpty)
    }

    @Test("version 2: the least limit on the way up counts, and cache counts as available")
    func unifiedLimits() {
        let group = "/sys/fs/cgroup/system.slice"
        let reading = Self.read(
            Self.unified.merging([
                group + "/meshnode.service/cpu.max": "max 100000\n", group + "/cpu.max": "150000 100000\n",
                group + "/meshnode.service/memory.max": "4294967296\n",
                group + "/meshnode.service/memory.current": "3221225472\n",
                group + "/meshnode.service/memory.stat": "anon 1\nfile 9\ninactive_file 2147483648\n",
                group + "/memory.max": "max\n",
            ]) { $1 })
        #expect(reading.cpuHundredths == 150)
        #expect(reading.memory == HostReading.Room(totalBytes: 4 << 30, freeBytes: 3 << 30))
    }

    @Test("version 1: quota and period, and limits near 2^63 are none")
    func olderLimits() {
        let cpu = "/sys/fs/cgroup/cpu,cpuacct"
        let memory = "/sys/fs/cgroup/memory"
        let reading = Self.read(
            Self.older.merging([
                cpu + "/docker/ab/cpu.cfs_quota_us": "25000\n", cpu + "/docker/ab/cpu.cfs_period_us": "100000\n",
                cpu + "/cpu.cfs_quota_us": "-1\n", cpu + "/cpu.cfs_period_us": "100000\n",
                memory + "/docker/ab/memory.limit_in_bytes": "1073741824\n",
                memory + "/docker/ab/memory.usage_in_bytes": "1073741824\n",
                memory + "/docker/ab/memory.stat": "total_inactive_file 0\n",
                memory + "/memory.limit_in_bytes": "9223372036854771712\n",
            ]) { $1 })
        #expect(reading.cpuHundredths == 25)
        #expect(reading.memory == HostReading.Room(totalBytes: 1 << 30, freeBytes: 0))
    }

    @Test(
        "in a container that sees only its own group, the mount is that group",
        arguments: ["/docker/ab", "/docker/ab/../cd", "/elsewhere"])
    func container(path: String) {
        let reading = Self.read([
            "/proc/self/cgroup": "0::\(path)\n",
            "/proc/self/mountinfo": "30 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/cpu.max": "200000 100000\n",
            "/sys/fs/cgroup/../cd/cpu.max": "100 100000\n",
        ])
        #expect(reading.cpuHundredths == 200)
    }

    @Test("what cannot be read is named and missing, and the rest is there")
    func unreadable() {
        let noMemory = HostReading { $0 == "/proc/self/status" ? "Cpus_allowed_list:\t0\n" : nil }
        #expect(noMemory.cpuHundredths == 100)
        #expect(noMemory.memory == nil)
        #expect(noMemory.failures.keys.sorted() == ["memory"])
        #expect(!noMemory.facts.contains { $0.key == FactKey.memoryTotal })
        let none = HostReading { _ in nil }
        #expect(none.failures.keys.sorted() == ["cpu", "memory"])
    }

    @Test(
        "nonsense in the files is no reading and no crash",
        arguments: [
            "", "\n\n", "x", "-1", "5-2", "0-99999999", "0-", "99999999999999999999", "max max", "0 0", "- - -",
        ])
    func nonsense(text: String) {
        let reading = HostReading { path in
            path == "/proc/self/status"
                ? "Cpus_allowed_list:\t\(text)\n" : path == "/proc/meminfo" ? "MemTotal: \(text)" : text
        }
        #expect(reading.cpuHundredths == nil)
        #expect(reading.memory == nil)
    }

    @Test("the disk of a folder that is not there yet is that of its parent")
    func disk() {
        let reading = HostReading(dataFolder: "/tmp/meshnode-not-there/either")
        #expect(reading.disk?.totalBytes ?? 0 > 0)
        #expect(reading.failures["disk"] == nil)
        #expect(HostReading(dataFolder: "/proc/self/status/x").failures["disk"] != nil)
    }
}
