/// Where in a JSON body something was found.
package struct JSONPlace: Sendable, Equatable, CustomStringConvertible {
    /// The path from the root, such as `image[17]`; `body` for the root itself.
    package let path: String
    /// The offset of the byte in the body, counted from 0.
    package let byte: Int

    /// Names a place.
    package init(path: String, byte: Int) {
        self.path = path
        self.byte = byte
    }

    /// The path and the byte as one phrase.
    package var description: String { "\(path) at byte \(byte)" }
}

/// All that can be wrong with an input, a schema or a data file.
///
/// ``code`` is stable and fit for metric labels and JSON; the description says what failed, why,
/// and what to do. Nothing of the value itself is repeated beyond short names, so that a
/// description may be logged.
package enum FeatureError: Error, Equatable, Sendable {
    /// The text is not JSON by RFC 8259, or not UTF-8.
    case malformedJSON(JSONPlace, problem: String)
    /// Arrays and objects are nested deeper than the limit.
    case tooDeep(JSONPlace, depthMax: Int)
    /// A number that the engine's type cannot hold, such as `1e400`.
    case numberOverflow(JSONPlace)
    /// Another kind of value was wanted.
    case wrongType(JSONPlace, expected: String, found: String)
    /// A member that nobody reads.
    case unknownKey(JSONPlace, key: String, expected: String)
    /// A member given twice.
    case repeatedKey(JSONPlace, key: String)
    /// A member that must be there is not.
    case missingKey(expected: String)
    /// A member of an object that must be there is not.
    case missingMember(JSONPlace, key: String)
    /// A tensor that the model does not have.
    case unknownTensor(JSONPlace, name: String, expected: String)
    /// A tensor that the model needs.
    case missingTensor(JSONPlace, name: String)
    /// A tensor of a type that does not fit, or a value that is not of the type.
    case wrongDatatype(JSONPlace, expected: String, found: String)
    /// A tensor whose extents do not fit.
    case wrongShape(JSONPlace, expected: String, found: String)
    /// A binary tensor with too many or too few bytes.
    case wrongTensorSize(JSONPlace, expected: String, found: String)
    /// `Inference-Header-Content-Length` does not fit the body.
    case wrongHeaderLength(problem: String)
    /// A body of plain bytes that cannot be cut into rows.
    case wrongBodySize(expected: String, found: Int)
    /// An array of the wrong number of elements.
    case wrongLength(JSONPlace, expected: String, found: String)
    /// A parameter of the request that nobody knows, or with a value that it cannot have.
    case invalidParameter(JSONPlace, problem: String)
    /// No rows at all.
    case noRows(JSONPlace)
    /// More rows in one request than the limit.
    case tooManyRows(rowsMax: Int)
    /// A value outside the schema's range, which is strict (or the value is not finite).
    case outOfRange(path: String, range: String)
    /// A value is missing where the schema does not allow it.
    case missingValue(path: String)
    /// A category that the training rows did not have, and the schema is strict.
    case unseenCategory(path: String)
    /// A schema that contradicts itself.
    case invalidSchema(field: String, problem: String)
    /// An IDX file whose bytes are not what its header says.
    case invalidIDX(problem: String)
    /// A delimited text that cannot be read; lines count from 1.
    case invalidCSV(line: Int, problem: String)
    /// Data rows that cannot be learned from.
    case invalidData(problem: String)

    /// A stable name in snake_case for labels and JSON.
    package var code: String {
        switch self {
        case .malformedJSON: "malformed_json"
        case .tooDeep: "nested_too_deep"
        case .numberOverflow: "number_overflow"
        case .wrongType: "wrong_type"
        case .unknownKey: "unknown_key"
        case .repeatedKey: "repeated_key"
        case .missingKey, .missingMember: "missing_key"
        case .unknownTensor: "unknown_tensor"
        case .missingTensor: "missing_tensor"
        case .wrongDatatype: "wrong_datatype"
        case .wrongShape: "wrong_shape"
        case .wrongTensorSize: "wrong_tensor_size"
        case .wrongHeaderLength: "wrong_header_length"
        case .wrongBodySize: "wrong_body_size"
        case .wrongLength: "wrong_length"
        case .invalidParameter: "parameter_invalid"
        case .noRows: "no_rows"
        case .tooManyRows: "too_many_rows"
        case .outOfRange: "out_of_range"
        case .missingValue: "missing_value"
        case .unseenCategory: "unseen_category"
        case .invalidSchema: "invalid_schema"
        case .invalidIDX: "invalid_idx"
        case .invalidCSV: "invalid_csv"
        case .invalidData: "invalid_data"
        }
    }
}

extension FeatureError: CustomStringConvertible {
    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .malformedJSON(let place, let problem):
            "\(place.path): not valid JSON: \(problem) at byte \(place.byte)"
        case .tooDeep(let place, let depthMax):
            "\(place.path): nested deeper than \(depthMax) levels at byte \(place.byte)"
        case .numberOverflow(let place):
            "\(place.path): the number is too large for its type at byte \(place.byte)"
        case .wrongType(let place, let expected, let found):
            "\(place.path): expected \(expected), found \(found) at byte \(place.byte)"
        case .unknownKey(let place, let key, let expected):
            "\(place.path): unknown key \"\(key)\" at byte \(place.byte): expected \(expected)"
        case .repeatedKey(let place, let key):
            "\(place.path): the key \"\(key)\" is given twice, again at byte \(place.byte)"
        case .missingKey(let expected):
            "body: the input is missing: send \(expected)"
        case .missingMember(let place, let key):
            "\(place.path): the key \"\(key)\" is missing, in what begins at byte \(place.byte)"
        case .unknownTensor(let place, let name, let expected):
            "\(place.path): no tensor is called \"\(name)\": expected \(expected), at byte "
                + "\(place.byte)"
        case .missingTensor(let place, let name):
            "\(place.path): the tensor \"\(name)\" is missing, at byte \(place.byte)"
        case .wrongDatatype(let place, let expected, let found):
            "\(place.path): expected \(expected), found \(found), at byte \(place.byte)"
        case .wrongShape(let place, let expected, let found):
            "\(place.path): expected \(expected), found \(found), at byte \(place.byte)"
        case .wrongTensorSize(let place, let expected, let found):
            "\(place.path): expected \(expected), found \(found), at byte \(place.byte)"
        case .wrongHeaderLength(let problem):
            "Inference-Header-Content-Length: \(problem)"
        case .wrongBodySize(let expected, let found):
            "body: expected \(expected), found \(found) bytes"
        case .wrongLength(let place, let expected, let found):
            "\(place.path): expected \(expected), found \(found), at byte \(place.byte)"
        case .invalidParameter(let place, let problem):
            "\(place.path): \(problem), at byte \(place.byte)"
        case .noRows(let place):
            "\(place.path): no rows: send at least one, at byte \(place.byte)"
        case .tooManyRows(let rowsMax):
            "body: too many rows: send at most \(rowsMax) in one request"
        case .outOfRange(let path, let range):
            "\(path): the value is refused: it must be \(range)"
        case .missingValue(let path):
            "\(path): the value is missing: this column needs one in every row"
        case .unseenCategory(let path):
            "\(path): the category is not among those of the training data"
        case .invalidSchema(let field, let problem):
            "schema: \(field): \(problem)"
        case .invalidIDX(let problem):
            "IDX file: \(problem)"
        case .invalidCSV(let line, let problem):
            "CSV line \(line): \(problem)"
        case .invalidData(let problem):
            "data: \(problem)"
        }
    }
}
