internal import ModelStore
internal import Retraining
internal import Transfer

/// Tells a run's events: a progress bar on a terminal, plain lines elsewhere, JSON lines to the
/// serving process.
struct RetrainingTelling: Sendable {
    private let console: Console?
    private let model: String
    private let bar: Bool

    /// Tells on a console; without one, as JSON lines on standard output.
    init(_ console: Console?, model: String) {
        self.console = console
        self.model = model
        bar = console?.isTerminal ?? false
    }

    func tell(_ event: RetrainingEvent) {
        guard let console else {
            guard let line = try? StoreJSON.encode(event) else { return }
            Console.standardOutput.write(String(decoding: line + [0x0A], as: UTF8.self))
            return
        }
        switch event {
        case .stage(let stage):
            console.write("\(clear)\(model): \(Self.words(stage))\n")
        case .progress(let progress):
            tell(progress, console)
        case .transfer(let transfer):
            if bar { console.write("\r\u{1B}[K  \(Self.words(transfer))") }
        case .download(let attempt):
            let resumed = attempt.resumedBytes.map { ", after \($0) that were there" } ?? ""
            console.write(
                "\(clear)  \(attempt.result): \(attempt.mirror) (\(attempt.bytes) bytes\(resumed))\n"
            )
        case .outcome, .failure:
            break
        }
    }

    /// Leaves the progress bar's line.
    func end() {
        console?.write(clear)
    }

    private var clear: String { bar ? "\r\u{1B}[K" : "" }

    private func tell(_ progress: RetrainingEvent.Progress, _ console: Console) {
        let numbers =
            "epoch \(progress.epoch)/\(progress.epochs)  loss \(Self.rounded(progress.loss))"
            + (progress.accuracy.map { "  accuracy \(Self.rounded($0))" } ?? "")
            + (progress.validationLoss.map { "  validation loss \(Self.rounded($0))" } ?? "")
            + "  \(Int(progress.rowsPerSecond)) rows/s"
            + (progress.secondsLeft.map { "  \(Int($0.rounded(.up))) s left" } ?? "")
        if bar {
            let width = 30
            let share = Double(progress.step) / Double(max(1, progress.steps))
            let done = min(width, Int(share * Double(width)))
            let filled = String(repeating: "█", count: done)
            let rest = String(repeating: "░", count: width - done)
            console.write("\r\u{1B}[K  \(filled)\(rest) \(numbers)")
        } else if progress.step == progress.steps {
            console.write("  \(numbers)\n")
        }
    }

    /// How far a transfer is, how fast it is, and when it will be over.
    private static func words(_ transfer: RetrainingEvent.Fetching) -> String {
        func mebibytes(_ bytes: Double) -> String { "\((bytes / 104_857.6).rounded() / 10) MiB" }
        let whole = transfer.bytesExpected.map { " of \(mebibytes(Double($0)))" } ?? ""
        return "\(transfer.source): \(mebibytes(Double(transfer.bytes)))\(whole)"
            + (transfer.bytesPerSecond.map { "  \(mebibytes($0))/s" } ?? "")
            + (transfer.secondsLeft.map { "  \(Int(min($0, 1e9).rounded(.up))) s left" } ?? "")
    }

    private static func words(_ stage: RetrainingStage) -> String {
        switch stage {
        case .download: "downloading"
        case .validate: "reading and checking the data"
        case .train: "training"
        case .evaluate: "evaluating on the hold-out"
        case .publish: "publishing"
        }
    }

    private static func rounded(_ value: Double) -> String {
        String((value * 10_000).rounded() / 10_000)
    }

    /// An outcome in words.
    static func summary(_ outcome: RetrainingOutcome) -> String {
        let head = "\(outcome.model): \(outcome.result.rawValue)"
        let version = outcome.version.map { ", version \($0) is current" } ?? ""
        return "\(head): \(outcome.reason)\(version)"
    }
}
