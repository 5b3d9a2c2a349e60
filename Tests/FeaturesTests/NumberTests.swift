import Features
import Testing

@Suite("Numbers") struct NumberTests {
    /// One number read on its own, which takes the careful way.
    private func float(_ text: String) throws(FeatureError) -> Float {
        let bytes = Array(text.utf8)
        var reader = JSONReader(bytes.span)
        let value = try reader.readFloat()
        try reader.finish()
        return value
    }

    private func double(_ text: String) throws(FeatureError) -> Double {
        let bytes = Array(text.utf8)
        var reader = JSONReader(bytes.span)
        return try reader.readDouble()
    }

    private func integer(_ text: String) throws(FeatureError) -> Int64 {
        let bytes = Array(text.utf8)
        var reader = JSONReader(bytes.span)
        return try reader.readInt64()
    }

    /// A whole array, which takes the quick way wherever it can.
    private func floats(_ text: String, count: Int) throws(FeatureError) -> [Float] {
        let bytes = Array(text.utf8)
        var values = [Float](repeating: -1, count: count)
        var reader = JSONReader(bytes.span)
        var target = values.mutableSpan
        let found = try reader.readFloats(into: &target, range: 0..<count)
        try reader.finish()
        return Array(values[..<found])
    }

    @Test("the middle between two binary32 goes to the even one, and a hair beside it does not")
    func ties() throws {
        var generator = FixedGenerator(state: 1)
        for _ in 0..<300 {
            // An odd 25-bit integer times a power of two is the middle of two neighbours.
            let odd = UInt64.random(in: 1 << 24..<1 << 25, using: &generator) | 1
            let shift = UInt64.random(in: 0..<12, using: &generator)
            let middle = odd << shift
            let (below, above) = (Float((odd - 1) << shift), Float((odd + 1) << shift))
            let even = below.significandBitPattern & 1 == 0 ? below : above
            let zeros = String(repeating: "0", count: Int.random(in: 0..<40, using: &generator))
            let nines = String(repeating: "9", count: zeros.count + 1)
            let cases = [
                ("\(middle)", even), ("\(middle).\(zeros)1", above),
                ("\(middle - 1).\(nines)", below), ("-\(middle).\(zeros)1", -above),
                ("\(middle)\(zeros)1e-\(zeros.count + 1)", above),
            ]
            for (text, expected) in cases {
                #expect(try float(text) == expected, "\(text)")
                let padding = String(repeating: " ", count: 48)
                #expect(try floats("[\(text)\(padding),7]", count: 2) == [expected, 7], "\(text)")
                #expect(try floats("[\(text),7\(padding)]", count: 2) == [expected, 7], "\(text)")
            }
        }
    }

    @Test("known hard numbers are rounded to the nearest binary32")
    func knownNumbers() throws {
        let cases: [(String, UInt32)] = [
            ("1.17549435e-38", 0x0080_0000), ("1.17549429e-38", 0x0080_0000),
            ("1.17549428e-38", 0x007F_FFFF),
            ("1.1754942e-38", 0x007F_FFFF), ("1.4e-45", 0x0000_0001), ("7e-46", 0),
            ("7.1e-46", 1), ("3.4028235e38", 0x7F7F_FFFF), ("3.40282356e38", 0x7F7F_FFFF),
            ("0.1", 0x3DCC_CCCD), ("-0", 0x8000_0000), ("-0.0", 0x8000_0000), ("0e999999999", 0),
            ("1e-999999999999999999999", 0), ("8388609.5", 0x4B00_0002),
            ("0.000000000000000000000000000000000000011754943508222875", 0x0080_0000),
            ("1.00000017881393432617187499", 0x3F80_0001),
            ("1.00000017881393432617187500", 0x3F80_0002),
            ("1.00000017881393432617187501", 0x3F80_0002),
        ]
        for (text, bits) in cases {
            #expect(try float(text).bitPattern == bits, "\(text)")
        }
    }

    @Test("numbers beyond the type are an error that names the place")
    func overflow() {
        for text in ["1e400", "-1e400", "3.4028236e38", "1e39", "1e99999999999999999999"] {
            let error = failure { () throws(FeatureError) in _ = try float(text) }
            #expect(error == .numberOverflow(JSONPlace(path: "body", byte: 0)), "\(text)")
        }
        let inArray = failure { () throws(FeatureError) in
            _ = try floats("[0,0,0,0,0,0,0,1e400]", count: 8)
        }
        #expect(inArray == .numberOverflow(JSONPlace(path: "[7]", byte: 15)))
        let wide = failure { () throws(FeatureError) in _ = try double("1e309") }
        #expect(wide?.code == "number_overflow")
    }

    @Test("an absurdly long number is refused")
    func longNumbers() {
        let digits = String(repeating: "1", count: JSONReader.numberBytesMax)
        #expect(failure { () throws(FeatureError) in _ = try double("0." + digits) } != nil)
        let most = "0." + digits.dropLast(2)
        #expect(failure { () throws(FeatureError) in _ = try double(most) } == nil)
    }

    @Test("random decimals of every form agree with the standard library, on both ways")
    func randomDecimals() throws {
        var generator = FixedGenerator(state: 2)
        for _ in 0..<200 {
            let texts = (0..<20).map { _ in randomNumber(&generator) }
            let expected = texts.map { Float($0) ?? .nan }
            let blank = ["", " ", "\n\t "].randomElement(using: &generator) ?? ""
            let list = "[" + texts.joined(separator: blank + "," + blank) + "]"
            let read = try floats(list, count: 20)
            #expect(read.map(\.bitPattern) == expected.map(\.bitPattern), "\(list)")
            for text in texts {
                #expect(try double(text).bitPattern == (Double(text) ?? .nan).bitPattern)
            }
        }
    }

    private func randomNumber(_ generator: inout FixedGenerator) -> String {
        func digits(_ range: ClosedRange<Int>) -> String {
            let count = Int.random(in: range, using: &generator)
            return (0..<count).map { _ in "\(Int.random(in: 0...9, using: &generator))" }.joined()
        }
        let sign = Bool.random(using: &generator) ? "-" : ""
        let whole: String
        switch Int.random(in: 0...3, using: &generator) {
        case 0, 1: whole = "0"
        case 2: whole = "\(Int.random(in: 1...9, using: &generator))" + digits(0...2)
        default: whole = "\(Int.random(in: 1...9, using: &generator))" + digits(0...12)
        }
        let fraction = Bool.random(using: &generator) ? "." + digits(1...26) : ""
        let exponent = Int.random(in: 0...9, using: &generator) == 0
        let power = Int.random(in: -30...20, using: &generator)
        return sign + whole + fraction + (exponent ? "e\(power)" : "")
    }

    @Test("every byte survives the ways in which clients print scaled pixels")
    func scaledPixels() throws {
        let texts = (0...255).flatMap { byte in
            ["\(byte)", "\(byte).0", "\(Float(byte) / 255)", "\(Double(byte) / 255)"]
        }
        let read = try floats("[" + texts.joined(separator: ", ") + "]", count: texts.count)
        for (text, value) in zip(texts, read) { #expect(value == Float(text), "\(text)") }
    }

    @Test("an array stops at its end whatever its length, and takes no more than fits")
    func arrayLengths() throws {
        for count in 0...40 {
            for element in ["0", "12", "-3.25", "0.5"] {
                let list =
                    "[" + Array(repeating: element, count: count).joined(separator: ",") + "]"
                let expected = [Float](repeating: Float(element) ?? .nan, count: count)
                #expect(try floats(list, count: count) == expected)
                #expect(try floats(list, count: count + 3) == expected)
                guard count > 0 else { continue }
                let error = failure { () throws(FeatureError) in
                    _ = try floats(list, count: count - 1)
                }
                #expect(error?.code == "wrong_length", "\(list)")
            }
        }
    }

    @Test("a fault anywhere in an array is found where it stands")
    func arrayFaults() {
        let faults: [(String, String)] = [
            ("01", "malformed_json"), ("1.", "malformed_json"), ("-", "malformed_json"),
            (".5", "malformed_json"), ("+1", "malformed_json"), ("NaN", "malformed_json"),
            ("1e", "malformed_json"), ("0x10", "malformed_json"), ("1;", "malformed_json"),
            ("null", "wrong_type"), ("\"1\"", "wrong_type"), ("[1]", "wrong_type"),
            ("true", "wrong_type"), ("{}", "wrong_type"), ("1e99", "number_overflow"),
            ("1 2", "malformed_json"), ("", "malformed_json"), ("1.5.2", "malformed_json"),
            ("12a", "malformed_json"), ("0.5f", "malformed_json"), ("--1", "malformed_json"),
            ("0.1234567890123456789x", "malformed_json"), ("123456789x", "malformed_json"),
        ]
        for (fault, code) in faults {
            for before in [0, 1, 4, 9] {
                for after in [0, 1, 30] where !fault.isEmpty || before + after > 0 {
                    let parts =
                        Array(repeating: "0", count: before) + [fault]
                        + Array(repeating: "0.25", count: after)
                    let list = "[" + parts.joined(separator: ",") + "]"
                    let error = failure { () throws(FeatureError) in
                        _ = try floats(list, count: 100)
                    }
                    #expect(error?.code == code, "\(list)")
                }
            }
        }
    }

    @Test("the quick way and the careful way agree on any bytes, values and errors alike")
    func differential() {
        var generator = FixedGenerator(state: 5)
        let alphabet = Array("0000123456789,,,,,..-eE ]x0.".utf8)
        for _ in 0..<4000 {
            let count = Int.random(in: 1..<120, using: &generator)
            let noise = (0..<count).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            // Half of them begin well, so that the noise is met in full stride.
            let start = Bool.random(using: &generator) ? "[0,0.5,12," : "["
            let bytes = Array(start.utf8) + noise + Array(",0.25,0]".utf8)
            let quick = Result { () throws(FeatureError) in try quickly(bytes) }
            let careful = Result { () throws(FeatureError) in try carefully(bytes) }
            #expect(quick == careful, "\(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private func quickly(_ bytes: [UInt8]) throws(FeatureError) -> [UInt32] {
        var values = [Float](repeating: -1, count: 200)
        var reader = JSONReader(bytes.span)
        var target = values.mutableSpan
        let found = try reader.readFloats(into: &target, range: 0..<200)
        return values[..<found].map(\.bitPattern)
    }

    private func carefully(_ bytes: [UInt8]) throws(FeatureError) -> [UInt32] {
        var values: [UInt32] = []
        var reader = JSONReader(bytes.span)
        try reader.beginArray()
        while try reader.nextElement() { values.append(try reader.readFloat().bitPattern) }
        return values
    }

    @Test("integers of 64 bits are exact to the last one")
    func integers() throws {
        #expect(try integer("9223372036854775807") == .max)
        #expect(try integer("-9223372036854775808") == .min)
        #expect(try integer("-0") == 0)
        for text in ["9223372036854775808", "-9223372036854775809", "100000000000000000000"] {
            let error = failure { () throws(FeatureError) in _ = try integer(text) }
            #expect(error?.code == "number_overflow", "\(text)")
        }
        for text in ["1.0", "1e2"] {
            let error = failure { () throws(FeatureError) in _ = try integer(text) }
            #expect(error?.code == "wrong_type", "\(text)")
        }
    }
}
