/// Base-2 logarithm in 16.16 fixed point, for `value` of at least 1.
///
/// The standard library has no logarithm without Foundation, and integers give the same timeouts on every machine.
package func log2Fixed(_ value: Int) -> UInt64 {
    precondition(value >= 1, "logarithm of \(value)")
    let whole = UInt64(Int.bitWidth - 1 - value.leadingZeroBitCount)
    // The mantissa in [1, 2) with 31 fractional bits; squaring it yields one binary digit at a time.
    var mantissa = whole <= 31 ? UInt64(value) << (31 - whole) : UInt64(value) >> (whole - 31)
    var result = whole
    for _ in 0..<16 {
        mantissa = (mantissa * mantissa) >> 31
        result <<= 1
        if mantissa >= 1 << 32 {
            mantissa >>= 1
            result |= 1
        }
    }
    return result
}

/// log10 in 16.16 fixed point: log2 times log10(2).
package func log10Fixed(_ value: Int) -> UInt64 { (log2Fixed(value) * 19_728 + 32_768) >> 16 }

/// The number of decimal digits that a rumor's audience takes: ⌈log10(value + 1)⌉, at least 1.
package func decimalDigits(_ value: Int) -> Int {
    var digits = 1
    var bound = 10
    while value >= bound, digits < 18 {
        bound *= 10
        digits += 1
    }
    return digits
}
