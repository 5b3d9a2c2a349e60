/// What a source of rows is, by the digest of its bytes.
package struct SourceIdentity: Sendable, Hashable {
    /// The digest, such as the 32 bytes of SHA-256 of the unpacked file.
    package let digest: [UInt8]

    /// Names a source.
    package init(digest: [UInt8]) { self.digest = digest }
}

/// Where a row came from.
package struct RowOrigin: Sendable, Hashable {
    /// The source.
    package let source: SourceIdentity
    /// The row's number in the source, counted from 0.
    package let row: Int

    /// Names a row.
    package init(source: SourceIdentity, row: Int) {
        self.source = source
        self.row = row
    }
}

/// Takes a share of the rows away by a hash of what they hold and of how many like them came before
/// in their file (``RowKeys``).
///
/// A row keeps its side in every run, wherever it stands in a later file that has more rows or
/// fewer. Identical rows of a file are told apart by their order, so that they are free to fall on
/// both sides; else what is held out would have another distribution than what is fitted.
///
/// The hash is FNV-1a (64 bits) over the purpose's bytes, then, for each row, the finaliser of
/// SplitMix64 over `seed + (key + 1) × 0x9E3779B97F4A7C15`. A row is taken when the upper 53 bits, as
/// a fraction of 1, are below the share.
package struct DataSplit: Sendable, Equatable {
    /// The share that is taken away, 0 up to (but not) 1.
    package let share: Double
    /// What the rows are taken for; another purpose takes other rows.
    package let purpose: String
    private let seed: UInt64

    /// A split.
    ///
    /// - Parameters:
    ///   - share: The share to take away, 0 up to (but not) 1.
    ///   - purpose: What for, such as `holdout` or `validation`.
    /// - Throws: ``FeatureError/invalidData(problem:)`` for another share.
    package init(share: Double, purpose: String = "holdout") throws(FeatureError) {
        guard share >= 0, share < 1 else {
            throw .invalidData(problem: "\(purpose): a share must be at least 0 and below 1")
        }
        self.share = share
        self.purpose = purpose
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        seed = hash
    }

    /// The numbers of the rows that stay and of those that are taken, each in order.
    ///
    /// - Parameters:
    ///   - dataset: The data.
    ///   - rows: The rows to split; all when not given.
    /// - Returns: The rows that stay and those that are taken.
    package func split(_ dataset: Dataset, rows: [Int32]? = nil) -> (kept: [Int32], taken: [Int32])
    {
        var kept: [Int32] = []
        var taken: [Int32] = []
        for row in rows ?? (0..<Int32(dataset.rowCount)).map({ $0 }) {
            if takes(key: dataset.keys[Int(row)]) { taken.append(row) } else { kept.append(row) }
        }
        return (kept, taken)
    }

    /// Whether the row with this key is taken away.
    package func takes(key: UInt64) -> Bool {
        let step: UInt64 = 0x9E37_79B9_7F4A_7C15
        var hash = seed &+ (key &+ 1) &* step
        hash = (hash ^ (hash >> 30)) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ (hash >> 27)) &* 0x94D0_49BB_1331_11EB
        hash ^= hash >> 31
        return Double(hash >> 11) * 0x1p-53 < share
    }
}
