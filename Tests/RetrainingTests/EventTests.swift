import ModelStore
import Retraining
import Testing
import Transfer

@Suite("Retraining events") struct EventTests {
    static let events: [RetrainingEvent] = [
        .stage(.download), .stage(.publish),
        .failure(code: "data_invalid_idx", stage: nil, message: "cut"),
        .failure(code: "ended", stage: .train, message: ""),
        .download(
            DownloadAttempt(
                mirror: "https://host/a",
                result: "unchanged",
                status: 304,
                curlCode: 0,
                bytes: 0,
                microseconds: 1234
            )
        ),
        .progress(
            RetrainingEvent.Progress(
                epoch: 1,
                epochs: 5,
                step: 3,
                steps: 9,
                loss: 0.125,
                accuracy: nil,
                rowsPerSecond: 1e5
            )
        ),
    ]

    @Test("an outcome is one line of JSON with stable names, and reads back as it was")
    func outcome() throws {
        let outcome = try Outcome.make("published", version: 4)
        let line = try StoreJSON.encode(RetrainingEvent.outcome(outcome))
        #expect(!line.contains(0x0A))
        let event = try StoreJSON.decode(RetrainingEvent.self, from: line, path: "")
        #expect(event == .outcome(outcome))
        #expect(outcome.evaluation?.accuracy == 0.9)
        #expect(outcome.reason == "because \"it\"\n")
    }

    @Test("an event is one line of JSON and reads back as it was", arguments: events)
    func roundTrip(event: RetrainingEvent) throws {
        let line = try StoreJSON.encode(event)
        #expect(!line.contains(0x0A))
        #expect(try StoreJSON.decode(RetrainingEvent.self, from: line, path: "") == event)
    }

    @Test(
        "what is no event is refused",
        arguments: ["", "{}", "[]", "null", #"{"stage":{"_0":"dance"}}"#, #"{"outcome":{}}"#]
    )
    func refused(line: String) {
        #expect(throws: StoreError.self) {
            try StoreJSON.decode(RetrainingEvent.self, from: Array(line.utf8), path: "")
        }
    }

    @Test("only what nobody asked for ends early when nothing has changed")
    func triggers() {
        let early = RetrainingTrigger.allCases.filter(\.endsWhenUnchanged)
        #expect(early == [.schedule, .drift, .feedback])
    }
}
