import FoundationEssentials
import TestSupport
import Testing
import Tools

@Suite("Measuring the decoder") struct DecodeBenchTests {
    @Test("each kind of body is read and measured")
    func report() throws {
        var lines: [String] = []
        let bench = DecodeBench(samples: 1, sampleSeconds: 1e-6)
        let report = try bench.run { lines.append($0) }
        #expect(report.decode.map(\.body) == DecodeBodies.Kind.allCases)
        #expect(lines.count == report.decode.count)
        for figures in report.decode {
            #expect(figures.bytes > 300 && figures.microseconds.minimum > 0)
            #expect(figures.values == (figures.body == .table ? 20 : 784))
            let nanoseconds = figures.microseconds.median * 1e3 / Double(figures.values)
            #expect(figures.nanosecondsPerValue == nanoseconds)
        }
        let json = try report.json()
        #expect(json.contains("megabytes_per_second"))
    }

    @Test("the bodies that others are measured with are those of the measurement")
    func export() throws {
        let directory = try TemporaryDirectory()
        let folder = directory.path("bodies")
        try DecodeBench(kinds: [.integers, .table]).export(to: folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(names.count == 2 * DecodeBodies.variants)
        let body = FileManager.default.contents(atPath: "\(folder)/integers-00.json")
        let text = String(decoding: try #require(body), as: UTF8.self)
        #expect(text.hasPrefix(#"{"image":["#) && text.hasSuffix("]}"))
        #expect(text.split(separator: ",").count == 784)
    }
}
