import Features
import Testing

@Suite("Places of errors") struct ErrorPlaceTests {
    /// A tensor of 4 lines of 5 numbers with one wrong element, and the byte of that.
    private func body(_ fault: String, at index: Int, isNested: Bool) -> (String, Int) {
        let shape = isNested ? "[1,4,5]" : "[1,20]"
        var text = #"{"inputs":[{"name":"image","shape":\#(shape),"datatype":"FP32","data":["#
        if isNested { text += "[" }
        var byte = 0
        for element in 0..<20 {
            if element > 0 { text += "," }
            if isNested, element % 5 == 0 { text += "[" }
            if element == index { byte = text.utf8.count }
            text += element == index ? fault : element % 3 == 0 ? "0.0" : "0.32941176470588235"
            if isNested, element % 5 == 4 { text += "]" }
        }
        return (text + (isNested ? "]]}]}" : "]}]}"), byte)
    }

    @Test(
        "a tensor's element of the wrong kind is named with its index and byte",
        arguments: 0..<20
    )
    func element(index: Int) throws {
        let rows = PredictDecoder(schema: try imageSchema([4, 5]), rowsMax: 4)
        let decoder = TensorDecoder(rows, outputs: ["probabilities"], classified: 0)
        for (fault, found) in [("\"x\"", "a string"), ("null", "null"), ("{}", "an object")] {
            for isNested in [false, true] {
                let (text, byte) = body(fault, at: index, isNested: isNested)
                let error = failure { () throws(FeatureError) in
                    var batch = FeatureBatch()
                    try decoder.decode(Array(text.utf8).span, headerBytes: nil, into: &batch)
                }
                let path = isNested ? "[0][\(index / 5)][\(index % 5)]" : "[\(index)]"
                let expected =
                    "inputs[0].data\(path): expected a number, found \(found) at byte \(byte)"
                #expect(error?.description == expected, "\(text)")
            }
        }
    }
}
