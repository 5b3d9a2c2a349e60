/// Labelled rows as a file in the form of a model's data, so that a retrain can read them.
package struct CapturedFile: Sendable, Equatable {
    /// What the file's name ends with, such as `csv` or `images-idx3-ubyte`.
    package let suffix: String
    /// The whole file.
    package let bytes: [UInt8]
    /// How many rows are in it.
    package let rowCount: Int

    /// Writes rows: a CSV file with a header for a table, images and labels as IDX for images.
    ///
    /// Numbers are written so that they read back as the same bits. A row of an unseen category is
    /// left out, since nobody knows any more what it was called.
    ///
    /// - Parameters:
    ///   - schema: Whose raw rows they are.
    ///   - labels: The names of the classes; empty for a regression.
    ///   - rows: The raw rows, each with the index of its class, or its value.
    /// - Returns: The files, in the order in which they should appear; none without rows.
    package static func files(
        _ schema: FeatureSchema,
        labels: [String],
        rows: [(raw: [Float], truth: Double)]
    ) -> [CapturedFile] {
        switch schema.layout {
        case .image(let image): images(image.shape, rows)
        case .table(let table): csv(table, labels, rows)
        }
    }

    private static func images(
        _ shape: [Int],
        _ rows: [(raw: [Float], truth: Double)]
    ) -> [CapturedFile] {
        guard !rows.isEmpty else { return [] }
        let areBytes = rows.allSatisfy { row in
            row.raw.allSatisfy { $0 >= 0 && $0 <= 255 && $0.rounded() == $0 }
        }
        var images = header(areBytes ? .unsigned8 : .float32, [rows.count] + shape)
        var labels = header(.int32, [rows.count])
        for row in rows {
            for value in row.raw {
                if areBytes {
                    images.append(UInt8(value))
                } else {
                    append(value.bitPattern, to: &images)
                }
            }
            append(UInt32(bitPattern: Int32(exactly: row.truth) ?? -1), to: &labels)
        }
        // Whoever finds the images finds the labels, too.
        return [
            CapturedFile(suffix: "labels-idx1", bytes: labels, rowCount: rows.count),
            CapturedFile(
                suffix: "images-idx\(shape.count + 1)",
                bytes: images,
                rowCount: rows.count
            ),
        ]
    }

    private static func header(_ element: IDXFile.Element, _ extents: [Int]) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, element.rawValue, UInt8(truncatingIfNeeded: extents.count)]
        for extent in extents { append(UInt32(truncatingIfNeeded: extent), to: &bytes) }
        return bytes
    }

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift: UInt32 in [24, 16, 8, 0] {
            bytes.append(UInt8(truncatingIfNeeded: word >> shift))
        }
    }

    private static func csv(
        _ table: TableLayout,
        _ labels: [String],
        _ rows: [(raw: [Float], truth: Double)]
    ) -> [CapturedFile] {
        var text = (table.columns.map(\.name) + [table.target.name]).map(quoted)
            .joined(separator: ",")
        text += "\n"
        var count = 0
        for row in rows {
            guard let line = line(table, labels, row) else { continue }
            text += line
            count += 1
        }
        return count == 0
            ? [] : [CapturedFile(suffix: "csv", bytes: Array(text.utf8), rowCount: count)]
    }

    private static func line(
        _ table: TableLayout,
        _ labels: [String],
        _ row: (raw: [Float], truth: Double)
    ) -> String? {
        var fields: [String] = []
        for (value, column) in zip(row.raw, table.columns) {
            if value.isNaN {
                fields.append("")
            } else if let categories = column.categories {
                guard let index = Int(exactly: value), categories.indices.contains(index) else {
                    return nil
                }
                fields.append(quoted(categories[index]))
            } else {
                fields.append(value.description)
            }
        }
        guard !labels.isEmpty else {
            return (fields + [row.truth.description]).joined(separator: ",") + "\n"
        }
        guard let index = Int(exactly: row.truth), labels.indices.contains(index) else {
            return nil
        }
        return (fields + [quoted(labels[index])]).joined(separator: ",") + "\n"
    }

    /// A field of a CSV file (RFC 4180 §2).
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            byte != UInt8(ascii: ",") && byte != UInt8(ascii: "\"") && byte != 0x0A && byte != 0x0D
        }
        return isPlain && !text.isEmpty ? text : "\"\(text.replacing("\"", with: "\"\""))\""
    }
}
