/// What can go wrong while metrics are declared or a log is opened.
package enum TelemetryError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A metric's name, help or labels break the naming rules.
    case metricName(name: String, problem: String)
    /// The name is taken by a metric of another shape.
    case metricConflict(name: String, difference: String)
    /// A histogram's bounds cannot be used.
    case histogramBounds(name: String, reason: String)
    /// A system call that a log sink needs failed with this `errno`.
    case logSink(operation: String, errorNumber: Int32)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .metricName: "metric_name"
        case .metricConflict: "metric_conflict"
        case .histogramBounds: "histogram_bounds"
        case .logSink: "log_sink"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .metricName(let name, let problem):
            "declare metric \(name): \(problem)"
        case .metricConflict(let name, let difference):
            "declare metric \(name): the name is taken with \(difference): use another name"
        case .histogramBounds(let name, let reason):
            "declare metric \(name): bounds: \(reason)"
        case .logSink(let operation, let errorNumber):
            "open the log: \(operation) failed with errno \(errorNumber)"
        }
    }
}
