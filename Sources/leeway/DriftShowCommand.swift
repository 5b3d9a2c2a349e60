import Appliance
import ArgumentParser
import Tools

/// `leeway drift show`: what a running appliance says of drift.
struct DriftShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows the drift alarms of a running appliance, and what is behind them.",
        discussion: """
            Accuracy without labels is estimated from the confidence of the answers. It is blind to \
            concept drift: only labels tell that the same inputs have come to mean something else.
            """
    )

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "The model; all when none is named.")
    var model: String?
    @Flag(help: "Print the appliance's own JSON, of all models.")
    var json = false

    func run() async throws {
        let view = try DriftView(options, model: model)
        do {
            print(try view.show(json: json))
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}

/// `leeway drift ack`: ends the alarms of a model.
struct DriftAckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ack",
        abstract: "Acknowledges a model's drift alarms: they end, and evidence begins anew."
    )

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "The model; needed when the configuration has several.")
    var model: String?

    func run() async throws {
        let view = try DriftView(options, model: model)
        do {
            print(try view.acknowledge())
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}

extension DriftView {
    /// Asks the appliance that a configuration describes.
    fileprivate init(_ options: ConfigurationOptions, model: String?) throws {
        let access: ClientAccess
        do {
            access = try options.settings().operationsAccess()
        } catch let code as ExitCode {
            throw code
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
        self.init(
            url: access.url,
            authorities: access.authorities,
            allowsPlaintext: access.isPlaintext,
            token: access.token,
            model: model
        )
    }
}
