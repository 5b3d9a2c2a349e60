internal import Features
internal import Retraining

/// Turns rows of a data set into request bodies, as a client would write them.
struct ReplayRequest {
    let data: LabelledRows
    let shift: ImageShift
    private var pixels: [Float]

    init(_ data: LabelledRows, _ shift: ImageShift) {
        self.data = data
        self.shift = shift
        pixels = [Float](repeating: 0, count: data.dataset.rowWidth)
    }

    /// The body for some rows: the single form for one, the batch form for several.
    mutating func body(_ rows: [Int32], random: inout some RandomNumberGenerator) -> [UInt8] {
        let key = data.schema.table == nil ? "image" : "features"
        var text = "{\"\(key)\":"
        if rows.count > 1 { text += "[" }
        for (index, row) in rows.enumerated() {
            if index > 0 { text += "," }
            text += rowText(row, random: &random)
        }
        if rows.count > 1 { text += "]" }
        text += "}"
        return Array(text.utf8)
    }

    private mutating func rowText(_ row: Int32, random: inout some RandomNumberGenerator)
        -> String
    {
        let data = data
        var target = pixels.mutableSpan
        data.dataset.raw(row: Int(row), into: &target)
        guard let table = data.schema.table else {
            let (shift, width) = (shift, data.schema.image?.shape.last ?? 0)
            shift.apply(to: &pixels, width: width, random: &random)
            return "[" + pixels.map(Self.number).joined(separator: ",") + "]"
        }
        let members = zip(table.columns, pixels).map { column, value in
            "\(Self.quoted(column.name)):\(Self.text(value, column))"
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func text(_ value: Float, _ column: FeatureColumn) -> String {
        guard let categories = column.categories else { return number(value) }
        guard value.isFinite, value >= 0 else { return "null" }
        return Int(value) < categories.count ? quoted(categories[Int(value)]) : "\"(other)\""
    }

    static func number(_ value: Float) -> String {
        if !value.isFinite { return "null" }
        return value == value.rounded() && abs(value) < 1e9 ? String(Int(value)) : value.description
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
