internal import Features
internal import FoundationEssentials
internal import NeuralNetwork

/// The bodies that ``DecodeBench`` reads: requests as clients write them, always the same ones.
///
/// Each kind has ``variants`` bodies of different content, which are read in turn: a processor that
/// has learned one body by heart would make any reader look better than it is.
package enum DecodeBodies {
    /// The kinds.
    package enum Kind: String, CaseIterable, Codable, Sendable {
        /// An image of 784 pixels divided by 255 in binary64, without spaces: about 5.2 kB.
        case floats
        /// An image of 784 bytes as whole numbers, without spaces: about 2 kB.
        case integers
        /// The same as `floats` with a space after each comma, as Python's `json.dumps` writes.
        case spaced
        /// 784 numbers of all forms: signs, exponents, 1 to 17 digits.
        case mixed
        /// The pixels of `floats` as `[28][28]`.
        case nested
        /// The pixels of `floats` as a tensor of the Open Inference Protocol.
        case tensor
        /// The pixels of `integers` as a tensor in binary form after its JSON.
        case binary
        /// One row of a table of 20 columns by column name.
        case table
    }

    /// One kind with its bodies.
    struct Set {
        let kind: Kind
        let schema: FeatureSchema
        let bodies: [[UInt8]]
        /// Values in one body.
        let values: Int
        /// The length of the JSON before binary tensors.
        let headerBytes: Int?
    }

    /// Bodies of one kind.
    package static let variants = 32
    /// The extent of the images.
    private static let side = 28

    /// Makes the bodies of a kind.
    static func make(_ kind: Kind) throws -> Set {
        let header = kind == .binary ? text(kind, variant: 0).utf8.count : nil
        let bodies = (0..<variants).map { variant in
            let pixels = kind == .binary ? image(variant).map { UInt8($0) } : []
            return Array(text(kind, variant: variant).utf8) + pixels
        }
        let schema = try kind == .table ? tableSchema() : imageSchema()
        return Set(
            kind: kind,
            schema: schema,
            bodies: bodies,
            values: schema.rawWidth,
            headerBytes: header
        )
    }

    private static func text(_ kind: Kind, variant: Int) -> String {
        let pixels = image(variant)
        switch kind {
        case .floats: return #"{"scaled":true,"image":[\#(scaled(pixels, ","))]}"#
        case .integers: return #"{"image":[\#(pixels.map(String.init).joined(separator: ","))]}"#
        case .spaced: return #"{"scaled": true, "image": [\#(scaled(pixels, ", "))]}"#
        case .mixed: return #"{"image":[\#(mixed(variant).joined(separator: ","))]}"#
        case .nested:
            let lines = (0..<side).map { line in
                "[" + scaled(pixels[line * side..<(line + 1) * side], ",") + "]"
            }
            return #"{"scaled":true,"image":[\#(lines.joined(separator: ","))]}"#
        case .tensor: return tensor("FP32", #""data":[\#(scaled(pixels, ","))]"#)
        case .binary: return tensor("UINT8", #""parameters":{"binary_data_size":784}"#)
        case .table: return tableRow(variant)
        }
    }

    private static func tensor(_ datatype: String, _ rest: String) -> String {
        let facts = #""name":"image","shape":[1,784],"datatype":"\#(datatype)""#
        return #"{"inputs":[{\#(facts),\#(rest)}]}"#
    }

    private static func scaled(_ pixels: some Sequence<Int>, _ separator: String) -> String {
        pixels.map { "\(Double($0) / 255)" }.joined(separator: separator)
    }

    /// A ring drawn by a pen of soft edge: a fifth of the pixels are ink, as in handwritten digits.
    private static func image(_ variant: Int) -> [Int] {
        var random = RandomSource(seed: 5, stream: UInt64(variant))
        func between(_ low: Float, _ high: Float) -> Float {
            low + (high - low) * random.nextUnit()
        }
        let (x, y, radius) = (between(12, 16), between(12, 16), between(5, 9))
        let (flatness, pen) = (between(0.7, 1.4), between(1.4, 2.2))
        return (0..<side * side).map { index in
            let (dx, dy) = (Float(index % side) - x, (Float(index / side) - y) * flatness)
            let distance = ((dx * dx + dy * dy).squareRoot() - radius).magnitude
            let ink = (pen - distance) * 200 + between(0, 25)
            return distance > pen ? 0 : Int(min(max(ink, 0), 255))
        }
    }

    private static func mixed(_ variant: Int) -> [String] {
        var random = RandomSource(seed: 6, stream: UInt64(variant))
        return (0..<side * side).map { _ in
            let value = Double(random.nextUnit()) * 6 - 3
            switch random.next(below: 8) {
            case 0: return "\(Int(value * 1000))"
            case 1: return "\(Float(value))"
            case 2: return "\(value * 1e-7)"
            case 3: return "\((value * 100).rounded() / 100)"
            case 4: return "\(value * 12_345)"
            default: return "\(value + Double(random.nextUnit()) * 1e-9)"
            }
        }
    }

    private static let plans = ["basic", "plus", "family", "business", "unlimited"]
    private static let columns = 20

    private static func imageSchema() throws -> FeatureSchema {
        let scaling = Scaling.constant(divisor: 255)
        return try FeatureSchema(.image(ImageLayout(shape: [side, side], scaling: scaling)))
    }

    private static func tableSchema() throws -> FeatureSchema {
        let columns = (0..<columns).map { index in
            index % 4 == 3
                ? FeatureColumn.categorical("category_\(index)", categories: plans)
                : FeatureColumn.numeric("number_\(index)", scaling: .constant(divisor: 1))
        }
        let target = TargetColumn(name: "left", labels: ["no", "yes"])
        return try FeatureSchema(.table(TableLayout(columns: columns, target: target)))
    }

    private static func tableRow(_ variant: Int) -> String {
        var random = RandomSource(seed: 7, stream: UInt64(variant))
        let members = (0..<columns).map { index in
            if index % 4 == 3 {
                return #""category_\#(index)":"\#(plans[Int(random.next(below: 5))])""#
            }
            let value = Double(random.nextUnit()) * 1000
            let text = index % 4 == 0 ? "\(Int(value))" : "\((value * 100).rounded() / 100)"
            return #""number_\#(index)":\#(text)"#
        }
        return #"{"features":{\#(members.joined(separator: ","))}}"#
    }
}
