extension Membership {
    /// Drops what is still to be told, as if everybody had been told long ago. For simulations that begin with a mesh
    /// that has known itself for hours: the first hour of gossip is not what they are about.
    package mutating func forgetRumors() {
        while let rumor = self.rumors.take(room: .max) {
            let index = Int(rumor.index)
            switch rumor.subject {
            case .member: self.table[index].rumor = 0
            case .capability: self.table.setFieldRumor(0, at: Int(rumor.field), of: index)
            case .event: break
            }
        }
        // A new queue, since the old one keeps the room for every member of the mesh.
        self.rumors = RumorQueue()
    }
}
