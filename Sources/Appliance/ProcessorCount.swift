internal import NIOCore
internal import Telemetry

/// How many processors there are for this process.
package enum ProcessorCount {
    /// Those that its affinity and its control group leave it, at least 1.
    package static var usable: Int {
        max(1, min(System.coreCount, ProcessUsage.processors() ?? Int.max))
    }
}
