/// A small, fast, seeded generator (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
///
/// Every random decision of the core draws from a stored `RandomSource`, so a run is a function of its seeds.
/// It is no source of secrets: keys and nonces come from libsodium.
package struct RandomSource: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A generator of its own for a part, so that one part drawing more does not shift what another draws.
    package mutating func split() -> RandomSource { RandomSource(seed: self.next()) }
}
