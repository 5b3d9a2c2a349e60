import Files
import ModelStore
import ModelTestSupport
import TestSupport
import Testing
import Tools

@Suite("Checking a file for drift") struct DriftCheckTests {
    /// A store with one small version, and a place for files.
    private struct Bench: ~Copyable {
        let folder: TemporaryDirectory
        let subject: DriftSubject

        init() throws {
            let folder = try TemporaryDirectory()
            try ModelDirectory(state: folder.path, model: "lines").publishTiny()
            subject = try DriftSubject(
                state: folder.path,
                model: "lines",
                version: nil,
                delimiter: ","
            )
            self.folder = folder
        }

        func file(_ name: String, _ bytes: [UInt8]) throws -> String {
            let path = "\(folder.path)/\(name)"
            try WholeFile.create(path, bytes)
            return path
        }
    }

    @Test("rows like the hold-out's are no drift, packed or not")
    func same() throws {
        let bench = try Bench()
        let images = TinyData.images(300, seed: 2)
        for (name, bytes) in [("a.idx", images), ("a.idx.gz", try TinyData.packed(images))] {
            let path = try bench.file(name, bytes)
            let check = try bench.subject.check(path, level: 0.05, tolerance: 0)
            #expect(!check.isDrift, "\(check.text)")
            #expect(check.text.contains("no drift found"))
            #expect(check.text.contains("300 rows against 900 of the hold-out"))
        }
    }

    @Test("darker images are drift, told in words, as JSON and as a page")
    func darker() throws {
        let bench = try Bench()
        let pixels = TinyData.pixels(300, seed: 2).map { $0 / 2 }
        let path = try bench.file("dark <1>.idx", TinyData.idx([300, 3, 3], pixels))
        let check = try bench.subject.check(path, level: 0.05, tolerance: 0)
        #expect(check.isDrift)
        #expect(check.text.contains("DRIFT in"))
        #expect(check.text.contains("frame.mean"))
        let json = try check.json()
        #expect(json.contains(#""drift":true"#) && json.contains(#""rows":300"#))
        #expect(json.contains(#""moved_at_least":"#) && json.contains(#""p_holm":"#))
        let page = DriftCheckPage(check).html
        #expect(page.contains("dark &lt;1&gt;.idx") && !page.contains("<1>"))
        #expect(page.contains("<svg") && !page.contains("http"))
    }

    @Test("a move within the tolerance is no drift, one beyond it is")
    func tolerance() throws {
        let bench = try Bench()
        // A fifth of the images are dark: some bins move by a fifth and none by much more.
        let pixels = TinyData.pixels(2000, seed: 2).enumerated().map { index, value in
            (index / 9) % 5 == 0 ? value / 2 : value
        }
        let path = try bench.file("mixed.idx", TinyData.idx([2000, 3, 3], pixels))
        #expect(try bench.subject.check(path, level: 0.05, tolerance: 0).isDrift)
        #expect(try bench.subject.check(path, level: 0.05, tolerance: 0.05).isDrift)
        #expect(try !bench.subject.check(path, level: 0.05, tolerance: 0.25).isDrift)
    }

    @Test("a few rows are tested as well")
    func few() throws {
        let bench = try Bench()
        let one = try bench.file("one.idx", TinyData.images(1, seed: 2))
        #expect(try !bench.subject.check(one, level: 0.05, tolerance: 0).isDrift)
        let black = try bench.file(
            "black.idx",
            TinyData.idx([10, 3, 3], .init(repeating: 0, count: 90))
        )
        let check = try bench.subject.check(black, level: 0.05, tolerance: 0)
        #expect(check.isDrift && check.text.contains("effect sizes need 200 rows"))
    }

    @Test("what is no file of rows is named")
    func unreadable() throws {
        let bench = try Bench()
        let cases: [(String, [UInt8], String)] = [
            ("empty.idx", TinyData.idx([0, 3, 3], []), "no rows"),
            ("shape.idx", TinyData.idx([2, 4, 4], .init(repeating: 0, count: 32)), "[4, 4]"),
            ("text.idx", Array("width,height\n1,2\n".utf8), "text.idx"),
        ]
        for (name, bytes, words) in cases {
            let path = try bench.file(name, bytes)
            let error = #expect(throws: DriftFileError.self) {
                _ = try bench.subject.check(path, level: 0.05, tolerance: 0)
            }
            #expect(error?.description.contains(words) == true, "\(name)")
        }
        #expect(throws: DriftFileError.self) {
            _ = try bench.subject.check("\(bench.folder.path)/none", level: 0.05, tolerance: 0)
        }
    }

    @Test("the tolerance found keeps past data silent, and a smaller one does not")
    func calibration() throws {
        let bench = try Bench()
        let pixels = TinyData.pixels(6000, seed: 2).enumerated().map { index, value in
            (index / 9) % 3 == 0 ? value / 2 : value
        }
        let mixed = try bench.file("mixed.idx", TinyData.idx([6000, 3, 3], pixels))
        let calm = try bench.file("calm.idx", TinyData.images(3000, seed: 3))
        let report = try bench.subject.calibrate(
            [calm, mixed],
            tolerance: 0.02,
            falseAlarmInterval: 1000
        )
        #expect(report.rows == 9000 && report.configured.alarmRow != nil)
        let silent = try #require(report.silent)
        #expect(silent.tolerance > 0.02 && silent.alarmRow == nil)
        let again = try bench.subject.calibrate(
            [calm, mixed],
            tolerance: silent.tolerance,
            rareTolerance: silent.tolerance,
            falseAlarmInterval: 1000
        )
        #expect(again.configured.alarmRow == nil)
        let below = try bench.subject.calibrate(
            [calm, mixed],
            tolerance: silent.tolerance - DriftCalibration.toleranceStep,
            rareTolerance: silent.tolerance - DriftCalibration.toleranceStep,
            falseAlarmInterval: 1000
        )
        #expect(below.configured.alarmRow != nil)
        #expect(report.text.contains("least silent tolerance"))
        #expect(try report.json().contains(#""tv_worst_window":"#))
    }

    @Test("calm past data need no tolerance")
    func calm() throws {
        let bench = try Bench()
        let calm = try bench.file("calm.idx", TinyData.images(3000, seed: 3))
        let report = try bench.subject.calibrate([calm], tolerance: 0.05, falseAlarmInterval: 1e6)
        #expect(report.configured.alarmRow == nil)
        #expect(report.silent?.tolerance == 0)
    }
}
