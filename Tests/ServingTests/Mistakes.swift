import Testing

/// One mistake.
struct Mistake: Sendable, CustomTestStringConvertible {
    let name: String
    var path = "/v2/models/lines/infer"
    var fields = ""
    var body = ""
    let status: Int
    let code: String
    /// What the message must name.
    let field: String
    var testDescription: String { name }
}

/// What can be wrong with the rest of a request, and with bodies that are only rows.
extension Mistake {
    static let frames: [Mistake] = [
        Mistake(
            name: "a model that does not exist",
            path: "/v2/models/other/infer",
            body: tensor(),
            status: 404,
            code: "model_unknown",
            field: "model: no model is named other"
        ),
        Mistake(
            name: "a version that does not answer",
            path: "/v2/models/lines/versions/9/infer",
            body: tensor(),
            status: 404,
            code: "version_not_live",
            field: "version:"
        ),
        Mistake(
            name: "too many rows",
            body: tensor(shape: "[9,9]", rest: #""data":[\#(row)]"#),
            status: 413,
            code: "too_many_rows",
            field: "at most 8"
        ),
        Mistake(
            name: "a parameter that nobody knows",
            body: tensor(more: #","parameters":{"explane":"gradient"}"#),
            status: 400,
            code: "parameter_invalid",
            field: #"parameters: no parameter is called "explane""#
        ),
        Mistake(
            name: "a parameter of an input that nobody knows",
            body: tensor(rest: #""data":\#(row),"parameters":{"shared_memory_region":"x"}"#),
            status: 400,
            code: "parameter_invalid",
            field: #"inputs[0].parameters: no parameter is called "shared_memory_region""#
        ),
        Mistake(
            name: "a repeated key of the request",
            body: tensor(more: #","id":"1","id":"2""#),
            status: 400,
            code: "repeated_key",
            field: #"body: the key "id" is given twice"#
        ),
        Mistake(
            name: "a repeated key of an input",
            body: tensor(rest: #""data":\#(row),"shape":[9]"#),
            status: 400,
            code: "repeated_key",
            field: #"inputs[0]: the key "shape" is given twice"#
        ),
        Mistake(
            name: "an id that is no text",
            body: tensor(more: #","id":7"#),
            status: 400,
            code: "wrong_type",
            field: "id: expected a string"
        ),
        Mistake(
            name: "a header length beyond the body",
            fields: "Inference-Header-Content-Length: 9999\r\n",
            body: tensor(),
            status: 400,
            code: "wrong_header_length",
            field: "Inference-Header-Content-Length"
        ),
        Mistake(
            name: "a header length that is no number",
            fields: "Inference-Header-Content-Length: -1\r\n",
            body: tensor(),
            status: 400,
            code: "wrong_header_length",
            field: "Inference-Header-Content-Length"
        ),
        Mistake(
            name: "two header lengths",
            fields: "Inference-Header-Content-Length: 1\r\nInference-Header-Content-Length: 1\r\n",
            body: tensor(),
            status: 400,
            code: "wrong_header_length",
            field: "Inference-Header-Content-Length"
        ),
        Mistake(
            name: "bytes that belong to no input",
            fields: "Inference-Header-Content-Length: \(tensor().utf8.count)\r\n",
            body: tensor() + "abc",
            status: 400,
            code: "wrong_header_length",
            field: "3 bytes follow"
        ),
        binary("a binary input that is too short", size: 9, bytes: 8, "9 bytes"),
        binary("a binary size that does not fit the shape", size: 8, bytes: 9, "9 bytes"),
        Mistake(
            name: "data and a binary size at once",
            body: tensor(rest: #""data":\#(row),"parameters":{"binary_data_size":9}"#),
            status: 400,
            code: "parameter_invalid",
            field: "inputs[0]"
        ),
        Mistake(
            name: "a raw request of another size",
            fields: "Inference-Header-Content-Length: 0\r\n",
            body: "12345678",
            status: 400,
            code: "wrong_body_size",
            field: "9 bytes (UINT8) or 36 (FP32)"
        ),
        Mistake(
            name: "a type of content that is not taken",
            fields: "Content-Type: text/csv\r\n",
            body: tensor(),
            status: 415,
            code: "media_type_unsupported",
            field: "Content-Type"
        ),
        Mistake(
            name: "an encoding that is not known",
            fields: "Content-Encoding: br\r\n",
            body: tensor(),
            status: 415,
            code: "unsupported_content_coding",
            field: "Content-Encoding"
        ),
        Mistake(
            name: "a text that is not what its encoding says",
            fields: "Content-Encoding: gzip\r\n",
            body: tensor(),
            status: 400,
            code: "malformed_content",
            field: "Content-Encoding"
        ),
        Mistake(
            name: "more bytes than the limit",
            body: String(repeating: " ", count: 5000),
            status: 413,
            code: "body_too_large",
            field: "at most 4096 bytes"
        ),
        Mistake(
            name: "no JSON",
            body: "hello",
            status: 400,
            code: "malformed_json",
            field: "at byte 0"
        ),
    ]

    static func binary(
        _ name: String,
        size: Int,
        bytes: Int,
        _ words: String
    ) -> Mistake {
        let head = tensor(rest: #""parameters":{"binary_data_size":\#(size)}"#)
        return Mistake(
            name: name,
            fields: "Inference-Header-Content-Length: \(head.utf8.count)\r\n",
            body: head + String(repeating: "a", count: bytes),
            status: 400,
            code: "wrong_tensor_size",
            field: "inputs[0].parameters.binary_data_size: expected \(words)"
        )
    }

    /// Bodies that are rows and nothing else.
    static let plain: [Mistake] = [
        Mistake(
            name: "bytes that are no whole rows",
            path: "/predict",
            fields: "Content-Type: application/octet-stream\r\n",
            body: "12345678",
            status: 400,
            code: "wrong_body_size",
            field: "whole rows of 9 bytes"
        ),
        Mistake(
            name: "bytes that could be of two types",
            path: "/predict",
            fields: "Content-Type: application/octet-stream\r\n",
            body: String(repeating: "a", count: 36),
            status: 400,
            code: "wrong_body_size",
            field: "?datatype=UINT8 or FP32"
        ),
        Mistake(
            name: "bytes of a type that does not exist",
            path: "/predict?datatype=FLOAT",
            fields: "Content-Type: application/octet-stream\r\n",
            body: String(repeating: "a", count: 36),
            status: 400,
            code: "parameter_invalid",
            field: "datatype: expected one of"
        ),
        Mistake(
            name: "a line with too few fields",
            path: "/invocations",
            fields: "Content-Type: text/csv\r\n",
            body: "1,2,3,4,5,6,7,8,9\n1,2\n",
            status: 400,
            code: "invalid_csv",
            field: "CSV line 2: expected 9 fields, found 2"
        ),
        Mistake(
            name: "a field that is no number",
            path: "/invocations",
            fields: "Content-Type: text/csv; header=absent\r\n",
            body: "1,2,3,4,x,6,7,8,9\n",
            status: 400,
            code: "invalid_csv",
            field: "CSV line 1: field 5: expected a number"
        ),
        Mistake(
            name: "a text without rows",
            path: "/invocations",
            fields: "Content-Type: text/csv\r\n",
            body: "\n\n",
            status: 400,
            code: "no_rows",
            field: "no rows"
        ),
        Mistake(
            name: "a type of content that is not taken",
            path: "/invocations",
            fields: "Content-Type: application/x-npy\r\n",
            body: "x",
            status: 415,
            code: "media_type_unsupported",
            field: "application/json or text/csv or application/octet-stream"
        ),
    ]
}
