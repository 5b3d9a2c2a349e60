import Features
import Testing
import Tools

@Suite("Replay") struct ReplayTests {
    private func answer(_ text: String) throws -> ReplayAnswer {
        try ReplayAnswer(Array(text.utf8))
    }

    @Test("the answer to one row is read, whatever else it holds")
    func single() throws {
        let found = try answer(
            #"{"class":2,"label":"a \"b\"","probabilities":[0,1e-3,{"x":[]}],"version":"12","new":null}"#
        )
        #expect(found.rows == [.predictedClass(2)])
        #expect(found.version == "12")
        #expect(try answer(#"{"value":-1.5e2,"version":"1"}"#).rows == [.value(-150)])
    }

    @Test("the answers to several rows are read in their order")
    func batch() throws {
        let found = try answer(
            #"{"predictions":[{"class":1,"label":"b"},{"class":0,"label":"a"}],"version":"3"}"#
        )
        #expect(found.rows == [.predictedClass(1), .predictedClass(0)])
        #expect(found.version == "3")
        #expect(try answer(#"{"version":"4","predictions":[{"value":2}]}"#).rows == [.value(2)])
        #expect(try answer(#"{"predictions":[]}"#).rows.isEmpty)
    }

    @Test(
        "what is no answer is an error",
        arguments: [
            "", "{", "[]", "null", #"{"class":"two"}"#, #"{"class":1.5}"#, #"{"predictions":[1]}"#,
            #"{"class":1} x"#, #"{"version":3}"#, #"{"class":99999999999999999999}"#,
        ]
    )
    func refused(text: String) {
        #expect(throws: FeatureError.self) { try answer(text) }
    }

    @Test("accuracy, versions and percentiles of what was answered")
    func tally() throws {
        let tally = ReplayTally()
        for number in 1...200 {
            tally.answered(
                try answer(#"{"class":\#(number % 4),"version":"\#(number <= 150 ? 1 : 2)"}"#),
                truths: [.class(0)],
                microseconds: number * 1000
            )
        }
        tally.failed("503: busy")
        tally.failed("500: late")
        let report = tally.take()
        #expect(report.answered == 200)
        #expect(report.failed == 2)
        #expect(report.rows == 200)
        #expect(report.accuracy == 0.25)
        #expect(report.meanAbsoluteError == nil)
        #expect(report.versions == ["1": 150, "2": 50])
        #expect(report.lastFailure == "500: late")
        // Of 200 times from 1 to 200 ms; the order in which they came does not count.
        #expect(report.medianMilliseconds == 101)
        #expect(report.p99Milliseconds == 199)
        #expect(tally.take() == ReplayTally().take())
    }

    @Test("one answer is its own median and percentile")
    func one() throws {
        let tally = ReplayTally()
        tally.answered(try answer(#"{"class":0}"#), truths: [.class(0)], microseconds: 1500)
        let report = tally.take()
        #expect(report.accuracy == 1)
        #expect(report.medianMilliseconds == 1.5)
        #expect(report.p99Milliseconds == 1.5)
    }

    @Test("a batch counts each of its rows")
    func batchTally() throws {
        let tally = ReplayTally()
        tally.answered(
            try answer(#"{"predictions":[{"class":1},{"class":0}],"version":"3"}"#),
            truths: [.class(1), .class(1)],
            microseconds: 1000
        )
        let report = tally.take()
        #expect(report.answered == 1)
        #expect(report.rows == 2)
        #expect(report.accuracy == 0.5)
    }

    @Test("a regression has a mean error and no accuracy, also when every value is exact")
    func regression() throws {
        for (found, error) in [("5", 0.0), ("6", 0.5)] {
            let tally = ReplayTally()
            tally.answered(
                try answer(#"{"predictions":[{"value":\#(found)},{"value":-5}]}"#),
                truths: [.value(5), .value(-5)],
                microseconds: 1000
            )
            let report = tally.take()
            #expect(report.meanAbsoluteError == error)
            #expect(report.accuracy == nil)
        }
    }

    @Test("nothing measured is no number")
    func nothing() {
        let report = ReplayTally().take()
        #expect(report.accuracy == nil)
        #expect(report.meanAbsoluteError == nil)
        #expect(report.medianMilliseconds == 0)
    }
}
