import Appliance
import ArgumentParser
import Tools

/// `leeway replay`: sends a data set as live traffic, optionally shifted.
struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends a model's rows as live traffic, and prints accuracy and latency.",
        discussion: """
            The rows are those that the configuration names; the hold-out by default. Shifts are \
            rotate, invert, noise=DEVIATION and brightness=FACTOR, in pixel units of 0 to 255.
            """
    )

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "The model; needed when the configuration has several.")
    var model: String?
    @Option(help: "The rows: holdout or train.")
    var set = "holdout"
    @Option(help: "Requests a second, in all; 0 for as fast as they are answered.")
    var rate = 200.0
    @Option(help: "Connections.")
    var connections = 4
    @Option(help: "Requests to send; each row once when it is not given.")
    var requests: Int?
    @Option(help: "Rows in a request.")
    var rows = 1
    @Option(help: "What is done to each image first.")
    var shift = "none"
    @Option(help: "Only rows of these class indices, such as 0,3,9.")
    var classes: String?
    @Option(help: "Seed of the order and of the noise.")
    var seed: UInt64 = 1
    @Option(help: "Another address than the configuration's, such as https://host:8443.")
    var url: String?
    @Option(help: "Send nothing; write the changed images to this folder as IDX files.")
    var export: String?
    @Flag(help: "Print each second's figures as one JSON object a line.")
    var json = false

    func validate() throws {
        guard (1...1024).contains(connections) else {
            throw ValidationError("--connections: expected 1…1024, found \(connections)")
        }
        guard (1...100_000).contains(rows) else {
            throw ValidationError("--rows: expected 1…100000, found \(rows)")
        }
        guard rate >= 0, rate <= 1e6 else {
            throw ValidationError("--rate: expected 0…1000000, found \(rate)")
        }
        guard requests.map({ $0 > 0 }) ?? true else {
            throw ValidationError("--requests: expected at least 1")
        }
        guard ImageShift(shift) != nil else {
            throw ValidationError(
                "--shift: expected none, rotate, invert, noise=N or brightness=N, found \(shift)"
            )
        }
    }

    func run() async throws {
        let settings = try options.settings()
        do {
            if let export { return try await write(settings, to: export) }
            let access = try settings.predictionAccess()
            let data = try await settings.labelledRows(model: model, part: set)
            let name = try settings.resolveModel(model)
            let plan = ReplayPlan(
                url: "\(url ?? access.url)/predict?model=\(name)",
                authorities: access.authorities,
                allowsPlaintext: access.isPlaintext,
                requestsPerSecond: rate > 0 ? rate : nil,
                connections: connections,
                requests: requests,
                rowsPerRequest: rows,
                shift: ImageShift(shift) ?? .none,
                classes: Set((classes ?? "").split(separator: ",").compactMap { Int32($0) }),
                token: access.token,
                seed: seed
            )
            try await ReplayJob(plan: plan, data: data, json: json).run { print($0) }
        } catch let error as JobError {
            throw Exit.usage("\(error)")
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }

    /// Writes both sets, the hold-out first: a source that has the training set is complete.
    private func write(_ settings: Settings, to folder: String) async throws {
        let copy = ShiftedCopy(shift: ImageShift(shift) ?? .none, seed: seed)
        for part in ["holdout", "train"] {
            let rows = try await settings.labelledRows(model: self.model, part: part)
            try copy.write(rows, part: part, to: folder)
        }
        print("written to \(folder)")
    }
}
