import MeshCore
import Testing

@testable import meshnode

@Suite("What of a reading is told")
struct DamperTests {
    private static func at(_ seconds: Int) -> Instant { Instant(nanoseconds: 0) + .seconds(1000 + seconds) }

    private static func room(free: UInt64) -> [Fact] {
        var reading = HostReading { _ in nil }
        reading.memory = HostReading.Room(totalBytes: 16 << 30, freeBytes: free << 20)
        return reading.facts
    }

    private static func available(_ labels: [Label]) -> String? {
        labels.first { $0.key == FactKey.memoryAvailable }?.value
    }

    @Test("free memory is told again when it moved by a twentieth of the whole, and not before")
    func step() {
        var damper = Damper()
        #expect(Self.available(damper.settle(Self.room(free: 8000), members: 1, at: Self.at(0))) == "8000MiB")
        #expect(Self.available(damper.settle(Self.room(free: 7182), members: 1, at: Self.at(20))) == "8000MiB")
        #expect(Self.available(damper.settle(Self.room(free: 7181), members: 1, at: Self.at(40))) == "7181MiB")
        // Against what was told, not against the last reading: a slow drift is told too.
        #expect(Self.available(damper.settle(Self.room(free: 6763), members: 1, at: Self.at(60))) == "7181MiB")
        #expect(Self.available(damper.settle(Self.room(free: 6362), members: 1, at: Self.at(80))) == "6362MiB")
    }

    @Test(
        "the step is at least 64 MiB and at most 1 GiB",
        arguments: [(512, 64), (4096, 204), (16384, 819), (143_771, 1024)] as [(UInt64, Int)])
    func bounds(total: UInt64, step: Int) {
        var reading = GPUReading()
        reading.devices = [GPUReading.Device(index: 0, memory: .init(totalBytes: total << 20, freeBytes: 1))]
        let fact = reading.facts.first { $0.key == "gpu.0.memory.free" }
        #expect(fact?.movement?.step == step)
    }

    @Test("whatever moves is told every ten seconds at most, and less often in a large mesh")
    func interval() {
        for (members, seconds) in [(1, 10), (100, 10), (1000, 100)] {
            var damper = Damper()
            _ = damper.settle(Self.room(free: 8000), members: members, at: Self.at(0))
            let early = damper.settle(Self.room(free: 1), members: members, at: Self.at(seconds - 1))
            #expect(Self.available(early) == "8000MiB")
            let late = damper.settle(Self.room(free: 1), members: members, at: Self.at(seconds))
            #expect(Self.available(late) == "1MiB")
        }
    }

    @Test("what does not move by nature is told at once, and what is gone is gone at once")
    func text() {
        var damper = Damper()
        var reading = GPUReading(driver: "1")
        _ = damper.settle(reading.facts, members: 1, at: Self.at(0))
        reading.driver = "2"
        #expect(damper.settle(reading.facts, members: 1, at: Self.at(1)).contains(Label("gpu.driver", "2")))
        #expect(damper.settle([], members: 1, at: Self.at(2)).isEmpty)
        // And told at once when it is back.
        #expect(Self.available(damper.settle(Self.room(free: 5), members: 1, at: Self.at(3))) == "5MiB")
    }

    @Test("utilization is the mean of a minute")
    func smooth() {
        var smoother = Smoother()
        var told: Int?
        for percent in [100, 0] + Array(repeating: 50, count: 10) {
            var reading = GPUReading()
            reading.devices = [GPUReading.Device(index: 3, utilization: percent)]
            told = smoother.smooth(reading).devices[0].utilization
        }
        #expect(told == 50)
        // The first two leave the window; a GPU that was away begins anew.
        var reading = GPUReading()
        reading.devices = [GPUReading.Device(index: 3, utilization: 98)]
        #expect(smoother.smooth(reading).devices[0].utilization == 49)
        _ = smoother.smooth(GPUReading())
        #expect(smoother.smooth(reading).devices[0].utilization == 98)
    }

    @Test("a machine that does not answer withdraws all of its hardware, and says so once")
    func silence() {
        var teller = HardwareTeller()
        let reading = HardwareProbe.Reading(host: HostReading { _ in nil }, gpus: nil, at: Self.at(0))
        let first = teller.take(.reading(reading), members: 1, at: Self.at(0))
        let again = teller.take(.reading(reading), members: 1, at: Self.at(1))
        #expect(first && !again, "the same reading is no news")
        #expect(teller.labels.map(\.key) == [FactKey.architecture])
        let silent = teller.take(.silence, members: 1, at: Self.at(90))
        let stillSilent = teller.take(.silence, members: 1, at: Self.at(91))
        #expect(silent && !stillSilent)
        #expect(teller.labels.isEmpty)
        #expect(teller.failures.keys.sorted() == ["hardware"])
        let back = teller.take(.reading(reading), members: 1, at: Self.at(92))
        #expect(back)
        #expect(teller.failures["hardware"] == nil)
    }

    @Test("what an operator says of the machine beats what was read")
    func override() {
        var teller = HardwareTeller()
        var reading = HostReading { _ in nil }
        reading.cpuHundredths = 3200
        _ = teller.take(.reading(.init(host: reading, gpus: nil, at: Self.at(0))), members: 1, at: Self.at(0))
        let labels = teller.labels(besides: [Label("cpu.cores", "16"), Label("model", "llama")])
        #expect(labels.filter { $0.key == "cpu.cores" } == [Label("cpu.cores", "16")])
        #expect(labels.contains(Label("model", "llama")))
    }
}
