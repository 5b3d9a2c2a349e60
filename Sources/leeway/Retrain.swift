import Appliance
import ArgumentParser

/// `leeway retrain`: one pass of download, validate, train, evaluate, publish.
struct Retrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a new version from fresh data, and publishes it if it is good enough.",
        discussion: """
            Exit code 0: published, or nothing had changed. 1: failed. 2: usage or configuration.
            3: the candidate or its data were refused. 4: another retrain holds the lock.

            --reproduce makes a version again from the files that were kept and compares the weights,
            bit for bit; nothing is published. Code 1 then says that they came out otherwise.
            """
    )

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "The model; needed when the configuration has several.")
    var model: String?
    @Flag(help: "Print the outcome as one JSON object.")
    var json = false
    @Flag(help: "Learn from the data although a check refuses it; what it says becomes a warning.")
    var acceptData = false
    @Option(help: "Make this version again and compare its weights; publishes nothing.")
    var reproduce: Int?
    @Option(help: .hidden)
    var trigger = "manual"
    @Flag(help: .hidden)
    var supervised = false

    func run() async throws {
        let job = RetrainJob(
            settings: try options.settings(),
            model: model,
            work: reproduce.map { .reproducing($0) }
                ?? .retrain(trigger: trigger, acceptingData: acceptData),
            output: supervised ? .events : json ? .json : .text
        )
        let (report, code) = await job.run()
        if let report { print(report) }
        try Exit.with(code)
    }
}
