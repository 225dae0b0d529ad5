import MeshCore
import MeshStorage
import Testing

@Suite struct XXHash64Tests {
    /// Of the reference implementation, for the bytes 0, 1, 2, ... of that length.
    static let vectors: [(count: Int, seed: UInt64, hash: UInt64)] = [
        (0, 0x0, 0xef46_db37_51d8_e999),
        (1, 0x0, 0xe934_a84a_db05_2768),
        (3, 0x7, 0x5ab1_2304_78ca_6310),
        (4, 0x0, 0xffce_d860_4453_cc1e),
        (7, 0x1, 0xaf4c_5311_c47c_77b7),
        (8, 0x0, 0x884a_1736_14b8_1b8d),
        (15, 0x2, 0xc92a_ff98_851a_ea31),
        (16, 0x0, 0x44b6_ef2f_b841_69f7),
        (31, 0x3, 0xd15b_78ad_dcfd_3728),
        (32, 0x0, 0xcbf5_9c51_16ff_32b4),
        (33, 0x0, 0x0c53_5d1a_cafb_8ead),
        (63, 0x9e37_79b9_7f4a_7c15, 0x26a0_acd7_72de_057e),
        (64, 0x0, 0xf7c6_7301_db67_13f0),
        (100, 0x5, 0x9c50_2a83_dcb7_c69e),
        (1000, 0x0, 0x6ef4_36b0_0eba_4078),
        (4096, 0xffff_ffff_ffff_ffff, 0x7d26_a544_053e_6933),
    ]

    @Test("hashes as the reference does, at every length", arguments: vectors.indices) func reference(_ index: Int) {
        let (count, seed, hash) = Self.vectors[index]
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(xxHash64(bytes.raw, seed: seed) == hash)
    }
}
