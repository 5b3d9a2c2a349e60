/// Why bytes are not a safetensors file, or tensors cannot become one.
package enum SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file ends before the header does.
    case truncated(bytes: Int)
    /// The header is longer than the limit.
    case headerTooLarge(bytesMax: Int)
    /// The header is not what the format asks for, at this byte of the file.
    case malformedHeader(byteOffset: Int, expected: String)
    /// Two tensors or two metadata entries have the same name.
    case duplicateName(String)
    /// The numbers have a type that is not read here.
    case unsupportedType(tensor: String, type: String)
    /// The shape has more dimensions than the limit.
    case tooManyDimensions(tensor: String, dimensionsMax: Int)
    /// The shape needs another number of bytes than the offsets hold.
    case sizeMismatch(tensor: String)
    /// The tensor begins before or after the end of the one before it.
    case gapOrOverlap(tensor: String)
    /// The tensors end before or after the file does.
    case dataLength(found: Int, expected: Int)
    /// A tensor to be written has another number of values than its shape says.
    case valueCount(tensor: String)
    /// A tensor to be written has the name that is kept for the metadata.
    case reservedName

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .truncated: "weights_truncated"
        case .headerTooLarge: "weights_header_too_large"
        case .malformedHeader: "weights_malformed_header"
        case .duplicateName: "weights_duplicate_name"
        case .unsupportedType: "weights_unsupported_type"
        case .tooManyDimensions: "weights_too_many_dimensions"
        case .sizeMismatch: "weights_size_mismatch"
        case .gapOrOverlap: "weights_gap_or_overlap"
        case .dataLength: "weights_data_length"
        case .valueCount: "weights_value_count"
        case .reservedName: "weights_reserved_name"
        }
    }

    /// What is wrong, and where.
    package var description: String {
        switch self {
        case .truncated(let bytes):
            "weights: the file ends within its header, after \(bytes) bytes: fetch it again"
        case .headerTooLarge(let bytesMax):
            "weights: the header is longer than the limit of \(bytesMax) bytes"
        case .malformedHeader(let byteOffset, let expected):
            "weights: malformed header at byte \(byteOffset): expected \(expected)"
        case .duplicateName(let name):
            "weights: the name \(name) occurs twice"
        case .unsupportedType(let tensor, let type):
            "weights: the tensor \(tensor) has the type \(type): use F32, F16, BF16 or F64"
        case .tooManyDimensions(let tensor, let dimensionsMax):
            "weights: the tensor \(tensor) has more than \(dimensionsMax) dimensions"
        case .sizeMismatch(let tensor):
            "weights: the shape of the tensor \(tensor) does not fit its offsets"
        case .gapOrOverlap(let tensor):
            "weights: the tensor \(tensor) does not begin where the one before it ends"
        case .dataLength(let found, let expected):
            "weights: there are \(found) bytes of data where the header says \(expected)"
        case .valueCount(let tensor):
            "weights: the tensor \(tensor) has not as many values as its shape says"
        case .reservedName:
            "weights: no tensor can be called \(SafetensorsFile.metadataName)"
        }
    }
}
