package import Telemetry

/// What the `operations` listener can set going; the appliance fills it in.
///
/// Serving and retraining do not know each other: this is where they meet.
package struct OperationsActions: Sendable {
    /// What an action led to: a status of HTTP and a JSON text.
    package struct Result: Sendable {
        /// 200, 202, 400, 404 or 409.
        package let status: Int
        /// One JSON object, or a picture.
        package let body: [UInt8]
        /// Whether the body is a picture, as PNG.
        package let isPicture: Bool

        /// Takes a status and a JSON text.
        package init(status: Int, json: [UInt8]) {
            self.status = status
            body = json
            isPicture = false
        }

        /// Takes a picture.
        package init(png: [UInt8]) {
            status = 200
            body = png
            isPicture = true
        }
    }

    /// Who asks, for the journal and the audit log.
    package struct Caller: Sendable {
        /// The client's address.
        package let address: String
        /// The request's id.
        package let requestName: String
        /// Whose credential was shown; nil where none is asked for.
        package let identity: String?

        /// Who it is, in one word.
        package var actor: String { identity.map { "\($0)@\(address)" } ?? address }
    }

    /// All metrics in a form.
    package var metrics: @Sendable (ExpositionFormat) -> [UInt8]
    /// The state of the appliance.
    package var status: @Sendable () async -> Result
    /// The state of the drift monitors: as JSON without a format, as a map of pixels in `pixels` or
    /// `png`.
    package var drift: @Sendable (_ format: String?, _ model: String?) async -> Result
    /// Starts a retrain of a model.
    package var retrain: @Sendable (_ model: String?, Caller) async -> Result
    /// Makes a version current.
    package var promote: @Sendable (_ model: String?, _ version: Int, Caller) async -> Result
    /// Makes the version before current.
    package var rollback: @Sendable (_ model: String?, Caller) async -> Result
    /// Keeps a version current whatever automation decides; nil is the one that is.
    package var pin: @Sendable (_ model: String?, _ version: Int?, Caller) async -> Result
    /// Lets automation go on.
    package var unpin: @Sendable (_ model: String?, Caller) async -> Result
    /// Takes a model's current version into service.
    package var load: @Sendable (_ model: String, Caller) async -> Result
    /// Takes a model out of service.
    package var unload: @Sendable (_ model: String, Caller) async -> Result
    /// Acknowledges a drift alarm.
    package var acknowledge: @Sendable (_ model: String?, Caller) async -> Result
    /// Changes the least severe level that is logged.
    package var logLevel: @Sendable (_ level: String?, Caller) async -> Result
    /// Is told of requests without the right key.
    package var denied: @Sendable (_ path: String, Caller) -> Void

    /// Takes the actions.
    package init(
        metrics: @escaping @Sendable (ExpositionFormat) -> [UInt8],
        status: @escaping @Sendable () async -> Result,
        drift: @escaping @Sendable (_ format: String?, _ model: String?) async -> Result,
        retrain: @escaping @Sendable (_ model: String?, Caller) async -> Result,
        promote: @escaping @Sendable (_ model: String?, _ version: Int, Caller) async -> Result,
        rollback: @escaping @Sendable (_ model: String?, Caller) async -> Result,
        pin: @escaping @Sendable (_ model: String?, _ version: Int?, Caller) async -> Result,
        unpin: @escaping @Sendable (_ model: String?, Caller) async -> Result,
        load: @escaping @Sendable (_ model: String, Caller) async -> Result,
        unload: @escaping @Sendable (_ model: String, Caller) async -> Result,
        acknowledge: @escaping @Sendable (_ model: String?, Caller) async -> Result,
        logLevel: @escaping @Sendable (_ level: String?, Caller) async -> Result,
        denied: @escaping @Sendable (_ path: String, Caller) -> Void
    ) {
        self.metrics = metrics
        self.status = status
        self.drift = drift
        self.retrain = retrain
        self.promote = promote
        self.rollback = rollback
        self.pin = pin
        self.unpin = unpin
        self.load = load
        self.unload = unload
        self.acknowledge = acknowledge
        self.logLevel = logLevel
        self.denied = denied
    }
}
