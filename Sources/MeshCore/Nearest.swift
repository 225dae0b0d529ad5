/// The known word that was probably meant: the least edit distance, at most a third of the shorter word; nil if none is close.
package func nearest(to word: String, among known: [String]) -> String? {
    return
        known
        .map {
            (name: $0, distance: editDistance(Array(word.lowercased().utf8.prefix(64)), Array($0.lowercased().utf8)))
        }
        .filter { $0.distance <= max(1, min(word.count, $0.name.count) / 3) }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?
        .name
}

/// Levenshtein with transpositions of neighbours (optimal string alignment): `tpye` is one slip away from `type`.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for row in 0..<left.count {
        var current = [row + 1]
        for column in 0..<right.count {
            let substitution = last[column] + (left[row] == right[column] ? 0 : 1)
            var best = min(substitution, last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                best = min(best, beforeLast[column - 1] + 1)
            }
            current.append(best)
        }
        beforeLast = last
        last = current
    }
    return last[right.count]
}
