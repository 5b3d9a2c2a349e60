import Telemetry
import Testing

@Suite("Time") struct WallTimeTests {
    @Test(
        "moments are written in RFC 3339, rounded down to a microsecond",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999999Z"),
            (1_709_251_200_000_001_999, "2024-03-01T00:00:00.000001Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
            (1_795_467_546_123_456_789, "2026-11-23T20:59:06.123456Z"),
            (.max, "2262-04-11T23:47:16.854775Z"),
            (.min, "1677-09-21T00:12:43.145224Z"),
        ] as [(Int64, String)]
    )
    func text(nanoseconds: Int64, text: String) {
        #expect(WallTime(nanosecondsSinceEpoch: nanoseconds).rfc3339 == text)
    }

    @Test("every day of four centuries follows the one before it")
    func calendar() {
        var (year, month, day) = (1800, 1, 1)
        var seconds: Int64 = -5_364_662_400
        while year < 2200 {
            let text = WallTime(nanosecondsSinceEpoch: seconds * 1_000_000_000).rfc3339
            let expected = [(year, 4), (month, 2), (day, 2)].map { number, width in
                let digits = "\(number)"
                return String(repeating: "0", count: width - digits.count) + digits
            }
            if text.prefix(10) != expected.joined(separator: "-") {
                Issue.record("\(text) is not \(expected)")
                return
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            (day, seconds) = (day + 1, seconds + 86_400)
            if day > lengths[month - 1] { (day, month) = (1, month + 1) }
            if month > 12 { (month, year) = (1, year + 1) }
        }
    }

    @Test("the clock goes with the world's")
    func now() {
        let first = WallTime.now()
        #expect(first <= WallTime.now())
        #expect(first > WallTime(nanosecondsSinceEpoch: 1_700_000_000_000_000_000))
        #expect(WallTime(nanosecondsSinceEpoch: 1_500_000_000).secondsSinceEpoch == 1.5)
    }
}

@Suite("Trace context") struct TraceContextTests {
    private static let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func parse(_ text: String) -> TraceContext? {
        parse(Array(text.utf8))
    }

    private func parse(_ bytes: [UInt8]) -> TraceContext? { TraceContext.parse(bytes.span) }

    @Test("a valid traceparent is read and written again")
    func roundTrip() throws {
        let context = try #require(parse(Self.valid))
        #expect(context.traceIdentifier == 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)
        #expect(context.parentIdentifier == 0x00f0_67aa_0ba9_02b7)
        #expect(context.sampled)
        #expect(context.text == Self.valid)
        #expect(context.identifier.text == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(context.calling(span: 0xab).text.hasSuffix("-00000000000000ab-01"))
        #expect(context.calling(span: 0).parentIdentifier != 0)
    }

    @Test(
        "flags are bits: only the lowest says sampled",
        arguments: [
            ("00", false), ("01", true), ("02", false), ("03", true), ("fe", false), ("ff", true),
        ]
    )
    func flags(flags: String, sampled: Bool) throws {
        let context = try #require(parse(Self.valid.dropLast(2) + flags))
        #expect(context.sampled == sampled)
    }

    @Test(
        "a higher version is read when it goes on after a dash",
        arguments: [
            ("01" + valid.dropFirst(2), true), ("cc" + valid.dropFirst(2) + "-what-ever", true),
            ("cc" + valid.dropFirst(2) + "-", true), ("cc" + valid.dropFirst(2) + ".what", false),
            ("ff" + valid.dropFirst(2), false), (valid + "-what", false), (valid + "-", false),
        ] as [(String, Bool)]
    )
    func versions(text: String, isValid: Bool) {
        #expect((parse(text) != nil) == isValid)
    }

    @Test(
        "a malformed traceparent is ignored",
        arguments: [
            "", "-", "00", "00-", String(repeating: "-", count: 55),
            String(repeating: "0", count: 55),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-36-00f067aa0ba902b7-1",
        ]
    )
    func malformed(text: String) {
        #expect(parse(text) == nil)
    }

    // CVE-2026-23886 of another library: a malformed header ended the process.
    @Test("no byte at any place, and no length, can do worse than be ignored")
    func everyByte() {
        let valid = Array(Self.valid.utf8)
        for end in 0..<valid.count { #expect(parse(Array(valid[..<end])) == nil) }
        for index in valid.indices {
            for byte in UInt8.min...UInt8.max {
                var bytes = valid
                bytes[index] = byte
                let isHexadecimal = "0123456789abcdef".utf8.contains(byte)
                let isDash = [2, 35, 52].contains(index)
                let expected =
                    isDash
                    ? byte == UInt8(ascii: "-")
                    : isHexadecimal
                if (parse(bytes) != nil) != expected {
                    Issue.record("byte \(byte) at \(index)")
                }
            }
        }
    }

    @Test("random bytes are ignored")
    func random() {
        var source = RequestIdentifierSource(seed: 1)
        for _ in 0..<5000 {
            let count = Int(source.next().low % 80)
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: source.next().high) }
            #expect(parse(bytes) == nil)
        }
    }

    @Test("zero is no identifier")
    func zero() {
        #expect(TraceContext(traceIdentifier: 0, parentIdentifier: 1, sampled: true) == nil)
        #expect(TraceContext(traceIdentifier: 1, parentIdentifier: 0, sampled: true) == nil)
    }

    @Test("a generated trace is valid")
    func generated() {
        var source = RequestIdentifierSource(seed: 9)
        let context = TraceContext(generatedBy: &source, sampled: false)
        #expect(parse(context.text) == context)
    }
}

@Suite("Request identifiers") struct RequestIdentifierTests {
    private func parse(_ text: String) -> RequestIdentifier? {
        RequestIdentifier.parse(Array(text.utf8).span)
    }

    @Test("an identifier is 32 hexadecimal digits and back")
    func text() {
        let identifier = RequestIdentifier(high: 0x0123_4567_89ab_cdef, low: 0x10)
        #expect(identifier.text == "0123456789abcdef0000000000000010")
        #expect(parse(identifier.text) == identifier)
        var bytes = Array("id=".utf8)
        identifier.append(to: &bytes)
        #expect(bytes == Array("id=\(identifier.text)".utf8))
    }

    @Test("hexadecimal digits are those of the standard library")
    func digits() {
        var source = RequestIdentifierSource(seed: 3)
        for _ in 0..<1000 {
            let identifier = source.next()
            let expected = [identifier.high, identifier.low].map { half in
                let digits = String(half, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }
            #expect(identifier.text == expected.joined())
        }
    }

    @Test(
        "what is not 32 lower-case digits is no identifier",
        arguments: [
            "", "0123456789abcdef", "0123456789ABCDEF0000000000000010",
            "0123456789abcdef000000000000001", "0123456789abcdef00000000000000100",
            "0123456789abcdeg0000000000000010",
        ]
    )
    func notAnIdentifier(text: String) {
        #expect(parse(text) == nil)
    }

    @Test("a seed repeats its identifiers, another seed and the system's do not")
    func seeds() {
        var (first, again) = (RequestIdentifierSource(seed: 7), RequestIdentifierSource(seed: 7))
        var (other, system) = (RequestIdentifierSource(seed: 8), RequestIdentifierSource())
        var seen: Set<RequestIdentifier> = []
        for _ in 0..<2000 {
            let identifier = first.next()
            #expect(identifier == again.next())
            seen.insert(identifier)
            seen.insert(other.next())
            seen.insert(system.next())
        }
        #expect(seen.count == 6000)
    }
}
