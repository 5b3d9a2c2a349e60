internal import Features
internal import Files
internal import NeuralNetwork
package import Retraining

/// Writes images and labels as IDX files, changed as a replay would change them.
///
/// This is the fresh data of a demonstration: put where a source looks for its files, it lets a
/// model learn the changed world.
package struct ShiftedCopy: Sendable {
    private let shift: ImageShift
    private let seed: UInt64

    /// Takes what is done to each image, and the seed of the noise.
    package init(shift: ImageShift, seed: UInt64) {
        self.shift = shift
        self.seed = seed
    }

    /// Writes `<part>-features.idx` and `<part>-labels.idx`.
    ///
    /// The features are put in place last, so that whoever sees them finds their labels, too.
    ///
    /// - Parameters:
    ///   - rows: Images with classes.
    ///   - part: The beginning of the files' names.
    ///   - folder: Where they go; made when missing.
    /// - Throws: ``ReplayError/noImages``, `FileError`.
    package func write(_ rows: LabelledRows, part: String, to folder: String) throws {
        guard let image = rows.schema.image, case .classes(let classes) = rows.dataset.labels else {
            throw ReplayError.noImages
        }
        var random = RandomSource(seed: seed)
        var features = Self.header(type: 0x08, [rows.rows.count] + image.shape)
        var labels = Self.header(type: 0x08, [rows.rows.count])
        var pixels = [Float](repeating: 0, count: rows.dataset.rowWidth)
        for row in rows.rows {
            Self.read(rows.dataset, row, into: &pixels)
            shift.apply(to: &pixels, width: image.shape.last ?? 0, random: &random)
            features.append(contentsOf: pixels.map { UInt8(min(255, max(0, $0))) })
            labels.append(UInt8(clamping: classes[Int(row)]))
        }
        try Folder.make(folder)
        try WholeFile.replace("\(folder)/\(part)-labels.idx", labels)
        try WholeFile.replace("\(folder)/\(part)-features.idx", features)
    }

    private static func read(_ dataset: Dataset, _ row: Int32, into pixels: inout [Float]) {
        var target = pixels.mutableSpan
        dataset.raw(row: Int(row), into: &target)
    }

    /// The header of an IDX file: two zeros, the type, the rank, and each extent in big-endian.
    private static func header(type: UInt8, _ extents: [Int]) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, type, UInt8(clamping: extents.count)]
        for extent in extents {
            let value = UInt32(clamping: extent)
            for shift in [24, 16, 8, 0] as [UInt32] {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        return bytes
    }
}
