import MeshCore
import Testing

@testable import meshnode

@Suite("Joining plan")
struct JoiningPlanTests {
    @Test("a node creates a mesh only when it was told of none")
    func create() throws {
        #expect(
            try JoiningPlan(
                folderHasMesh: false, wasMember: false, tokenGiven: false, seedsGiven: false, sameMesh: false)
                == .create)
    }

    @Test("half of what joining needs is an error that names the other half")
    func half() {
        let noSeed = #expect(throws: MeshError.self) {
            try JoiningPlan(
                folderHasMesh: false, wasMember: false, tokenGiven: true, seedsGiven: false, sameMesh: false)
        }
        #expect(noSeed?.hint.contains("--join") == true)
        let noToken = #expect(throws: MeshError.self) {
            try JoiningPlan(
                folderHasMesh: false, wasMember: false, tokenGiven: false, seedsGiven: true, sameMesh: false)
        }
        #expect(noToken?.hint.contains("--token-file") == true)
    }

    @Test("a folder resumes its own mesh, and refuses the token of another")
    func resume() throws {
        #expect(
            try JoiningPlan(folderHasMesh: true, wasMember: true, tokenGiven: false, seedsGiven: true, sameMesh: false)
                == .resume)
        #expect(
            try JoiningPlan(folderHasMesh: true, wasMember: true, tokenGiven: true, seedsGiven: true, sameMesh: true)
                == .resume)
        #expect(throws: MeshError.self) {
            try JoiningPlan(folderHasMesh: true, wasMember: true, tokenGiven: true, seedsGiven: true, sameMesh: false)
        }
    }
}

extension JoiningPlanTests {
    @Test("a join that was cut short is a join again, and never a mesh of its own")
    func cutShort() throws {
        let again = try JoiningPlan(
            folderHasMesh: true, wasMember: false, tokenGiven: true, seedsGiven: true, sameMesh: true)
        #expect(again == .join)
        let alone = #expect(throws: MeshError.self) {
            try JoiningPlan(
                folderHasMesh: true, wasMember: false, tokenGiven: false, seedsGiven: false, sameMesh: false)
        }
        #expect(alone?.hint.contains("--join") == true)
    }
}

@Suite("Data folder")
struct DataFolderTests {
    @Test("the boot epoch goes up by one each time, and refuses to guess")
    func bootEpoch() throws {
        try withTemporaryFolder { path in
            let folder = try DataFolder(creating: path + "/deep/er")
            #expect(throws: MeshError.self) { try folder.raiseBootEpoch(mayBegin: false) }
            #expect(try folder.raiseBootEpoch(mayBegin: true) == 1)
            #expect(try folder.raiseBootEpoch(mayBegin: false) == 2)
            try FileIO.replace(path + "/deep/er/boot", with: Array("junk".utf8))
            #expect(throws: MeshError.self) { try folder.raiseBootEpoch(mayBegin: true) }
        }
    }

    @Test("one folder has one daemon")
    func lock() throws {
        try withTemporaryFolder { path in
            let folder = try DataFolder(creating: path)
            let lock = try folder.lock()
            let error = #expect(throws: MeshError.self) { _ = try folder.lock() }
            #expect(error?.code == .conflict)
            withExtendedLifetime(lock) {}
        }
    }

    @Test("a file in the place of the folder is named")
    func notAFolder() throws {
        try withTemporaryFolder { path in
            try FileIO.replace(path + "/file", with: [])
            let error = #expect(throws: MeshError.self) { _ = try DataFolder(creating: path + "/file") }
            #expect(error?.message.contains(path + "/file") == true)
        }
    }

    @Test("what is replaced is read back, with the mode asked for")
    func replace() throws {
        try withTemporaryFolder { path in
            try FileIO.replace(path + "/x", with: [1, 2, 3])
            try FileIO.replace(path + "/x", with: [4])
            #expect(try FileIO.read(path + "/x", limit: 8) == [4])
            #expect(try FileIO.read(path + "/none", limit: 8) == nil)
            #expect(throws: MeshError.self) { try FileIO.read(path + "/x", limit: 0) }
        }
    }
}
