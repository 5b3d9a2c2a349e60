/// The process metrics that every Prometheus client exports, under their exact names.
///
/// They are read from `/proc/self` at each scrape. What the kernel does not tell is left out.
package enum ProcessMetrics {
    /// Declares the metrics and reads them before each exposition.
    ///
    /// - Throws: ``TelemetryError`` when a name is taken.
    package static func register(in registry: MetricRegistry) throws(TelemetryError) {
        let processor = try registry.counter(
            "process_cpu_seconds_total",
            help: "Total user and system CPU time spent in seconds.",
            unit: .nanosecondsAsSeconds
        ).series()
        let gauges = try Gauges(registry)
        let boot = ProcessReading.bootSeconds(ProcessFiles.bytes(of: "/proc/stat").span)
        let ticksPerSecond = ProcessFiles.ticksPerSecond
        let pageBytes = ProcessFiles.pageBytes
        registry.onScrape {
            let reading = ProcessReading(
                stat: ProcessFiles.bytes(of: "/proc/self/stat").span,
                status: ProcessFiles.bytes(of: "/proc/self/status").span,
                limits: ProcessFiles.bytes(of: "/proc/self/limits").span
            )
            if let ticks = reading.processorTicks {
                processor.raise(to: ticks &* (1_000_000_000 / ticksPerSecond))
            }
            gauges.openDescriptors.set(ProcessFiles.openDescriptors())
            gauges.descriptorsMax.set(reading.descriptorsMax)
            gauges.virtualBytes.set(reading.virtualBytes)
            gauges.virtualBytesMax.set(reading.virtualBytesMax)
            gauges.residentBytes.set(reading.residentPages.map { $0 &* pageBytes })
            gauges.heapBytes.set(reading.heapBytes)
            gauges.threads.set(reading.threads)
            if let boot, let start = reading.startTicks {
                let seconds = Double(start) / Double(ticksPerSecond)
                gauges.startSeconds.family.series().set(Double(boot) + seconds)
            }
        }
    }

    private struct Gauges: Sendable {
        let openDescriptors: OptionalGauge
        let descriptorsMax: OptionalGauge
        let virtualBytes: OptionalGauge
        let virtualBytesMax: OptionalGauge
        let residentBytes: OptionalGauge
        let heapBytes: OptionalGauge
        let threads: OptionalGauge
        let startSeconds: OptionalGauge

        init(_ registry: MetricRegistry) throws(TelemetryError) {
            func gauge(_ name: String, _ help: String) throws(TelemetryError) -> OptionalGauge {
                OptionalGauge(family: try registry.gauge(name, help: help))
            }
            openDescriptors = try gauge("process_open_fds", "Number of open file descriptors.")
            descriptorsMax = try gauge(
                "process_max_fds",
                "Maximum number of open file descriptors."
            )
            virtualBytes = try gauge(
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes."
            )
            virtualBytesMax = try gauge(
                "process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes."
            )
            residentBytes = try gauge(
                "process_resident_memory_bytes",
                "Resident memory size in bytes."
            )
            heapBytes = try gauge("process_heap_bytes", "Process heap size in bytes.")
            threads = try gauge("process_threads", "Number of OS threads in the process.")
            startSeconds = try gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds."
            )
        }
    }

    /// A gauge that is absent while it has no value.
    private struct OptionalGauge: Sendable {
        let family: GaugeFamily

        func set(_ value: UInt64?) {
            if let value { family.series().set(Double(value)) } else { family.remove([]) }
        }
    }
}
