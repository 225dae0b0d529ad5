import Glibc
import MeshRuntime
import Testing

@testable import meshnode

@Suite("What doctor reads of the machine")
struct MachineTests {
    @Test("the room that is kept follows the disk, within bounds, and never takes most of a small one")
    func reserve() {
        let reserve = { (mib: UInt64) in DiskRoom(total: mib << 20, free: 0).reserve >> 20 }
        #expect(reserve(1 << 20) == 512)
        #expect(reserve(4_000) == 200)
        #expect(reserve(200) == 32)
        #expect(reserve(60) == 20)
    }

    @Test("the file system is that of the device, whatever else is mounted")
    func fileSystem() {
        let mounts = """
            22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
            30 22 0:26 / /mnt/a\\040b rw shared:7 master:1 - nfs4 host:/x rw
            31 22 0:27 / /run rw - tmpfs none rw
            short line
            """
        #expect(DiskChecks.fileSystem(ofDevice: "0:26", in: mounts) == "nfs4")
        #expect(DiskChecks.fileSystem(ofDevice: "254:0", in: mounts) == "ext4")
        #expect(DiskChecks.fileSystem(ofDevice: "9:9", in: mounts) == nil)
        #expect(DiskChecks.fileSystem(ofDevice: "0:26", in: "") == nil)
    }

    @Test("a port's holder is found by its socket: listening, not merely connected")
    func sockets() {
        let listing = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F0A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1
               1: 0100007F:1F0A 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1
               2: 0100007F:1F0B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1
            garbage
            """
        #expect(SocketHolder.inodes(port: 0x1F0A, listing: listing) == ["socket:[4711]"])
        #expect(SocketHolder.inodes(port: 1, listing: listing).isEmpty)
    }

    @Test("a disk that never answers is not waited for")
    func hangingDisk() async throws {
        #expect(await onThread(within: .seconds(60)) { 7 } == 7)
        // A pipe that says nothing until its other end is closed.
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        let silent = ends[0]
        let answer = await onThread(within: .milliseconds(50)) {
            var byte: UInt8 = 0
            return unsafe read(silent, &byte, 1)
        }
        #expect(answer == nil)
        close(ends[1])
    }

    @Test("keys that a member lacks are a problem, a rotation under way is a warning")
    func keys() {
        let holder = { (name: String, primary: String, keys: [String]) in
            KeyHolderView(id: name, name: name, state: "alive", primary: primary, keys: keys, source: .answer)
        }
        let view = KeysView(
            keys: [KeyView(id: "aa", is_primary: true, held_by: 2, primary_at: 1)],
            members: [holder("a", "aa", ["aa"]), holder("b", "bb", ["aa", "bb"]), holder("c", "bb", ["bb"])],
            is_agreed: false)
        let found = KeyChecks.findings(view, node: "a")
        #expect(found.map(\.severity) == [.problem, .warning])
        #expect(found.map(\.place) == ["c", "b"])
    }

    @Test("findings come worst first, and each has its mend in the next line")
    func text() {
        let view = DoctorView(
            node: "alpha", running: true,
            findings: [
                Finding(.fine, "disk", "/data", "9 GiB are free"),
                Finding(.problem, "udp", "beta\u{1B}[2J", "is blocked", mend: "open the port"),
                Finding(.warning, "clock", "kernel", "is off", mend: "set it"),
            ])
        #expect(
            DoctorText.text(view, color: false) == """
                alpha: 1 problem, 1 warning
                problem  udp      beta?[2J: is blocked
                                  mend: open the port
                warning  clock    kernel: is off
                                  mend: set it
                fine     disk     /data: 9 GiB are free
                """)
    }
}
