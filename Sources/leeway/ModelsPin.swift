import Appliance
import ArgumentParser

extension Models {
    /// Keeps a version current.
    struct Pin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keeps a version current, whatever retrains and releases decide.",
            discussion: """
                A version that is not current is made so first, and a candidate on its way is taken \
                back. A retrain still writes what passes its gates, and nothing more; promote and \
                rollback are refused until unpin.
                """
        )
        @OptionGroup var options: Options
        @Argument(help: "The version; the current one when none is named.") var version: Int?
        @Option(help: "Why, for the journal.") var reason = "pinned by hand"
        func run() async throws { try options.run(.pin(version, reason: reason)) }
    }

    /// Lets automation go on.
    struct Unpin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets retrains and releases decide again."
        )
        @OptionGroup var options: Options
        @Option(help: "Why, for the journal.") var reason = "unpinned by hand"
        func run() async throws { try options.run(.unpin(reason: reason)) }
    }
}
