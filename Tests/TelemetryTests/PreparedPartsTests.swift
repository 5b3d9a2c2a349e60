import Logging
import Telemetry
import Testing

@Suite("Prepared parts of lines, and what the process uses")
struct PreparedPartsTests {
    @Test("members written out before stand in a line as if they were added there")
    func members() {
        var scratch = JSONLine()
        scratch.member("left", "over")
        let rendered = RenderedMembers(using: &scratch) { line in
            line.member("b", 2)
            line.beginObject("c")
            line.member("d", "\"")
            line.endObject()
        }
        let none = RenderedMembers { _ in }
        var line = JSONLine()
        line.members(none)
        line.members(rendered)
        line.member("e", true)
        line.members(rendered)
        line.finish()
        #expect(line.text == #"{"b":2,"c":{"d":"\""},"e":true,"b":2,"c":{"d":"\""}}"# + "\n")
        scratch.finish()
        #expect(scratch.text == "{}\n")
    }

    @Test("members that find no room are left out whole, and the line says so")
    func tooLong() {
        let large = RenderedMembers { $0.member("a", String(repeating: "x", count: 5000)) }
        var line = JSONLine()
        line.members(large)
        line.members(large)
        line.finish()
        #expect(line.text.utf8.count < JSONLine.bytesMax)
        #expect(line.text.hasSuffix(#"x","truncated":true}"# + "\n"))
    }

    @Test(
        "a prepared record is the same as one written in one go",
        arguments: LogFieldNames.allCases
    )
    func records(_ names: LogFieldNames) {
        let time = WallTime(nanosecondsSinceEpoch: 1_795_466_160_123_456_789)
        var identifiers = RequestIdentifierSource(seed: 1)
        let trace = TraceContext(generatedBy: &identifiers, sampled: false)
        let kind = LogRecordKind(names, level: .warning, body: "a", scope: "leeway.b")
        for given in [trace, nil] {
            var (prepared, direct) = (JSONLine(), JSONLine())
            prepared.beginRecord(kind, time: time, trace: given, span: 7)
            direct.beginRecord(
                names,
                time: time,
                level: .warning,
                body: "a",
                scope: "leeway.b",
                trace: given,
                span: 7
            )
            prepared.finish()
            direct.finish()
            #expect(prepared.text == direct.text)
        }
    }

    @Test(
        "the kernel tells memory and descriptors, and the soft limit can be raised to the hard one"
    )
    func usage() throws {
        #expect(try #require(ProcessUsage.residentBytes()) > 1 << 20)
        #expect(try #require(ProcessUsage.processors()) >= 1)
        let before = ProcessUsage.descriptorsMax()
        #expect((3..<before).contains(ProcessUsage.descriptors()))
        ProcessUsage.raiseDescriptorsMax()
        #expect(ProcessUsage.descriptorsMax() >= before)
        if let bytes = ProcessUsage.containerBytesMax() { #expect(bytes > 1 << 20) }
    }
}
