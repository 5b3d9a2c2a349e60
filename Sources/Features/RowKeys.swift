/// Gives each row of a file a number of its own that stays the same in other files with that row.
///
/// It is a hash of what the row holds, features and target, and of how many rows with the same
/// content came before it in the file.
package struct RowKeys: Sendable {
    private var counts: [UInt64: UInt64] = [:]

    /// Begins a file.
    package init() {}

    /// The key of the file's next row.
    ///
    /// - Parameter content: A hash of the row's content.
    /// - Returns: The key.
    package mutating func next(_ content: UInt64) -> UInt64 {
        let before = counts[content, default: 0]
        counts[content] = before &+ 1
        return Self.mixed(content, before)
    }

    /// A hash of some fields of a record, as they are written.
    static func content(_ record: borrowing DelimitedRecord, _ fields: [Int]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in fields {
            let text = record.field(index)
            for place in text.indices {
                hash = (hash ^ UInt64(text[place])) &* 0x0000_0100_0000_01B3
            }
            // Fields have ends, or "1,23" would be "12,3".
            hash = mixed(hash, UInt64(text.count))
        }
        return hash
    }

    /// One step of a hash: the finaliser of SplitMix64 over the state and the next word.
    static func mixed(_ state: UInt64, _ word: UInt64) -> UInt64 {
        var hash = (state ^ word) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ (hash >> 27)) &* 0x94D0_49BB_1331_11EB
        return hash ^ (hash >> 31)
    }
}
