/// What can be wrong with requests that are rows of JSON: `/predict` and `:predict`.
extension Mistake {
    private static let nine = "[5,5,5,5,5,5,5,5,5]"

    private static func predict(
        _ name: String,
        _ body: String,
        path: String = "/predict",
        fields: String = "",
        status: Int = 400,
        _ code: String,
        _ field: String
    ) -> Mistake {
        Mistake(
            name: name,
            path: path,
            fields: fields,
            body: body,
            status: status,
            code: code,
            field: field
        )
    }

    private static func instances(
        _ name: String,
        _ body: String,
        path: String = "/v1/models/lines:predict",
        fields: String = "",
        status: Int = 400,
        _ code: String,
        _ field: String
    ) -> Mistake {
        predict(name, body, path: path, fields: fields, status: status, code, field)
    }

    static let predictions: [Mistake] = [
        predict("a value of another type", #"{"image":[5,"5"]}"#, "wrong_type", "image[1]"),
        predict("another shape", #"{"image":[[5,5],[5,5]]}"#, "wrong_length", "image[0]"),
        predict("another count", #"{"image":[5]}"#, "wrong_length", "image: expected 9 values"),
        predict("another name", #"{"pixels":[5]}"#, "unknown_key", #"unknown key "pixels""#),
        predict("nothing", "{}", "missing_key", #"{"image": …}"#),
        predict(
            "another model",
            #"{"image":\#(nine),"model":"x"}"#,
            status: 404,
            "model_unknown",
            "model: no model is named x"
        ),
        predict(
            "a parameter that nobody knows",
            #"{"image":\#(nine),"parameters":{"explane":1}}"#,
            "parameter_invalid",
            #"parameters: no parameter is called "explane""#
        ),
        predict(
            "a timeout that is none",
            #"{"image":\#(nine),"parameters":{"timeout":-1}}"#,
            "parameter_invalid",
            "parameters.timeout"
        ),
        predict(
            "a repeated key",
            #"{"image":\#(nine),"image":\#(nine)}"#,
            "repeated_key",
            #"the key "image" is given twice"#
        ),
        predict(
            "a repeated parameter",
            #"{"image":\#(nine),"parameters":{"timeout":1,"timeout":1}}"#,
            "repeated_key",
            #"parameters: the key "timeout" is given twice"#
        ),
        predict(
            "another type of content",
            "<image/>",
            fields: "Content-Type: application/xml\r\n",
            status: 415,
            "media_type_unsupported",
            "Content-Type"
        ),
        predict(
            "another encoding",
            #"{"image":\#(nine)}"#,
            fields: "Content-Encoding: zstd\r\n",
            status: 415,
            "unsupported_content_coding",
            "Content-Encoding"
        ),
        predict(
            "too many bytes",
            String(repeating: " ", count: 5000),
            status: 413,
            "body_too_large",
            "at most 4096 bytes"
        ),
        predict(
            "too many rows",
            #"{"image":[\#([String](repeating: nine, count: 9).joined(separator: ","))]}"#,
            status: 413,
            "too_many_rows",
            "at most 8"
        ),
        predict("a number too large", #"{"image":[1e39]}"#, "number_overflow", "image[0]"),
        predict("NaN", #"{"image":[NaN]}"#, "malformed_json", "NaN and Infinity"),
    ]

    static let instances: [Mistake] = [
        instances(
            "a value of another type",
            #"{"instances":[[5,5,5,5,true,5,5,5,5]]}"#,
            "wrong_type",
            "instances[0][4]: expected a number, found a boolean at byte"
        ),
        instances("another shape", #"{"instances":[[[5,5]]]}"#, "wrong_length", "instances[0]"),
        instances("another count", #"{"instances":[[5]]}"#, "wrong_length", "instances[0]"),
        instances(
            "another name",
            #"{"instances":[{"pixels":\#(nine)}]}"#,
            "unknown_key",
            #"instances[0]: unknown key "pixels""#
        ),
        instances("nothing", "{}", "missing_key", #"{"instances": […]}"#),
        instances("no rows", #"{"instances":[]}"#, "no_rows", "instances"),
        instances(
            "another model",
            #"{"instances":[\#(nine)]}"#,
            path: "/v1/models/x:predict",
            status: 404,
            "model_unknown",
            "model: no model is named x"
        ),
        instances(
            "another version",
            #"{"instances":[\#(nine)]}"#,
            path: "/v1/models/lines/versions/9:predict",
            status: 404,
            "version_not_live",
            "version: not the one of lines that answers, which is 1"
        ),
        instances(
            "another label",
            #"{"instances":[\#(nine)]}"#,
            path: "/v1/models/lines/labels/canary:predict",
            status: 404,
            "label_unknown",
            "label: no version of lines has it; known are current, stable"
        ),
        instances(
            "another signature",
            #"{"instances":[\#(nine)],"signature_name":"x"}"#,
            "parameter_invalid",
            "signature_name: the only signature is"
        ),
        instances(
            "a parameter that nobody knows",
            #"{"instances":[\#(nine)],"parameters":{"explane":1}}"#,
            "parameter_invalid",
            #"parameters: no parameter is called "explane""#
        ),
        instances(
            "a repeated key",
            #"{"instances":[\#(nine)],"inputs":[\#(nine)]}"#,
            "repeated_key",
            #"the key "inputs" is given twice"#
        ),
        instances(
            "another type of content",
            "1,2",
            fields: "Content-Type: text/csv\r\n",
            status: 415,
            "media_type_unsupported",
            "Content-Type: not taken here; send application/json"
        ),
        instances(
            "another encoding",
            "{}",
            fields: "Content-Encoding: compress\r\n",
            status: 415,
            "unsupported_content_coding",
            "Content-Encoding"
        ),
        instances(
            "too many bytes",
            String(repeating: " ", count: 5000),
            status: 413,
            "body_too_large",
            "at most 4096 bytes"
        ),
    ]
}
