/// What can be wrong with the tensors of a request.
extension Mistake {
    static let row = "[5,5,5,5,5,5,5,5,5]"

    /// An inference request with one thing different.
    static func tensor(
        name: String = #""image""#,
        shape: String = "[1,9]",
        type: String = #""UINT8""#,
        rest: String = #""data":\#(row)"#,
        more: String = ""
    ) -> String {
        #"{"inputs":[{"name":\#(name),"shape":\#(shape),"datatype":\#(type),\#(rest)}]\#(more)}"#
    }

    static let tensors: [Mistake] = [
        Mistake(
            name: "a datatype that does not exist",
            body: tensor(type: #""FLOAT""#),
            status: 400,
            code: "wrong_datatype",
            field: "inputs[0].datatype: expected BOOL, UINT8"
        ),
        Mistake(
            name: "a datatype that does not fit",
            body: tensor(type: #""BYTES""#),
            status: 400,
            code: "wrong_datatype",
            field: "inputs[0].datatype: expected a type of numbers"
        ),
        Mistake(
            name: "a datatype that has no form in JSON",
            body: tensor(type: #""FP16""#),
            status: 400,
            code: "wrong_datatype",
            field: "inputs[0].data"
        ),
        Mistake(
            name: "a value that is not of the datatype",
            body: tensor(rest: #""data":[5,5,5,5,5,5,5,256,5]"#),
            status: 400,
            code: "wrong_datatype",
            field: "inputs[0].data[7]: expected a number of type UINT8"
        ),
        Mistake(
            name: "a fraction among integers",
            body: tensor(type: #""INT32""#, rest: #""data":[5,5,0.5,5,5,5,5,5,5]"#),
            status: 400,
            code: "wrong_datatype",
            field: "inputs[0].data[2]"
        ),
        Mistake(
            name: "a datatype that is no text",
            body: tensor(type: "8"),
            status: 400,
            code: "wrong_type",
            field: "inputs[0].datatype"
        ),
        Mistake(
            name: "a shape of another product",
            body: tensor(shape: "[1,8]"),
            status: 400,
            code: "wrong_shape",
            field: "inputs[0].shape: expected [n, 9]"
        ),
        Mistake(
            name: "a negative extent",
            body: tensor(shape: "[-1,9]"),
            status: 400,
            code: "wrong_shape",
            field: "inputs[0].shape"
        ),
        Mistake(
            name: "a shape whose product overflows",
            body: tensor(shape: "[9,4503599627370496,4503599627370496]"),
            status: 400,
            code: "wrong_shape",
            field: "inputs[0].shape"
        ),
        Mistake(
            name: "too many extents",
            body: tensor(shape: "[1,1,1,1,1,1,1,1,9]"),
            status: 400,
            code: "wrong_shape",
            field: "inputs[0].shape"
        ),
        Mistake(
            name: "no rows",
            body: tensor(shape: "[0,9]", rest: #""data":[]"#),
            status: 400,
            code: "no_rows",
            field: "inputs[0].shape"
        ),
        Mistake(
            name: "a shape that is nested otherwise than the data",
            body: tensor(shape: "[1,3,3]", rest: #""data":[\#(row)]"#),
            status: 400,
            code: "wrong_shape",
            field: "inputs[0].data"
        ),
        Mistake(
            name: "too few elements",
            body: tensor(rest: #""data":[5,5]"#),
            status: 400,
            code: "wrong_length",
            field: "inputs[0].data: expected 9 values, found 2"
        ),
        Mistake(
            name: "too many elements",
            body: tensor(rest: #""data":[5,5,5,5,5,5,5,5,5,5]"#),
            status: 400,
            code: "wrong_length",
            field: "inputs[0].data"
        ),
        Mistake(
            name: "an element of another kind",
            body: tensor(rest: #""data":[5,5,5,5,"5",5,5,5,5]"#),
            status: 400,
            code: "wrong_type",
            field: "inputs[0].data[4]: expected a number, found a string at byte"
        ),
        Mistake(
            name: "an input that the model does not have",
            body: tensor(name: #""pixels""#),
            status: 400,
            code: "unknown_tensor",
            field: #"inputs[0].name: no tensor is called "pixels": expected image"#
        ),
        Mistake(
            name: "an output that the model does not have",
            body: tensor(more: #","outputs":[{"name":"logits"}]"#),
            status: 400,
            code: "unknown_tensor",
            field: "outputs[0].name"
        ),
        Mistake(
            name: "an output that is asked for twice",
            body: tensor(more: #","outputs":[{"name":"class"},{"name":"class"}]"#),
            status: 400,
            code: "repeated_key",
            field: "outputs[1].name"
        ),
        Mistake(
            name: "an output without a name",
            body: tensor(more: #","outputs":[{}]"#),
            status: 400,
            code: "missing_key",
            field: "outputs[0]"
        ),
        Mistake(
            name: "classes of an output that has none",
            body: tensor(
                more: #","outputs":[{"name":"class","parameters":{"classification":1}}]"#
            ),
            status: 400,
            code: "parameter_invalid",
            field: "outputs[0]"
        ),
        Mistake(
            name: "no inputs",
            body: #"{"inputs":[]}"#,
            status: 400,
            code: "missing_tensor",
            field: #"inputs: the tensor "image" is missing"#
        ),
        Mistake(
            name: "inputs left out",
            body: "{}",
            status: 400,
            code: "missing_key",
            field: #""inputs""#
        ),
        Mistake(
            name: "an input twice",
            body: #"{"inputs":[{"name":"image","shape":[9],"datatype":"UINT8","data":\#(row)},"#
                + #"{"name":"image","shape":[9],"datatype":"UINT8","data":\#(row)}]}"#,
            status: 400,
            code: "repeated_key",
            field: "inputs[1].name"
        ),
        Mistake(
            name: "an input without a shape",
            body: #"{"inputs":[{"name":"image","datatype":"UINT8","data":\#(row)}]}"#,
            status: 400,
            code: "missing_key",
            field: #"inputs[0]: the key "shape""#
        ),
        Mistake(
            name: "an input without data",
            body: tensor(rest: #""parameters":{}"#),
            status: 400,
            code: "missing_key",
            field: #"inputs[0]: the key "data""#
        ),
    ]
}
