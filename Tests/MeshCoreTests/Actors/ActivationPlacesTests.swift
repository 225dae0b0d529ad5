import MeshCore
import Testing

@Suite struct ActivationPlacesTests {
    @Test("places are given in the order of asking") func order() throws {
        let (a, b) = (try ActorPath("/a"), try ActorPath("/b"))
        var places = ActivationPlaces(limit: 1, workerLimit: 1)
        let attempts = [places.take(isWorker: false), places.take(isWorker: false)]
        #expect(attempts == [true, false])
        places.wait(a, isWorker: false)
        places.wait(b, isWorker: false)
        let whileFull = places.nextInLine()
        #expect(whileFull == nil)
        places.give(isWorker: false)
        let first = places.nextInLine()
        #expect(first == a)
        let taken = places.take(isWorker: false)
        #expect(taken)
        let whileFullAgain = places.nextInLine()
        #expect(whileFullAgain == nil)
    }

    @Test("workers that wait for a worker's place do not hold up others") func workers() throws {
        let worker = try ActorPath("/worker")
        var places = ActivationPlaces(limit: 10, workerLimit: 1)
        let attempts = [places.take(isWorker: true), places.take(isWorker: true)]
        #expect(attempts == [true, false])
        places.wait(worker, isWorker: true)
        let other = places.take(isWorker: false)
        #expect(other)
        #expect(places.someoneWaits(forWorker: true))
        #expect(!places.someoneWaits(forWorker: false))
        places.give(isWorker: false)
        let noWorkerPlace = places.nextInLine()
        #expect(noWorkerPlace == nil)
        places.give(isWorker: true)
        let next = places.nextInLine()
        #expect(next == worker)
    }
}
