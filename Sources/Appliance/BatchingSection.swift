package import Serving

/// Who computes a model's predictions, and how long requests may wait for it.
package struct BatchingChoices: Sendable, Equatable {
    /// Event loop or batcher.
    package var mode: BatchSettings.Mode
    /// The longest computation that an event loop does itself, in microseconds.
    package var inlineMicrosecondsMax: Int
    /// Most rows of a product that serves several requests; 0 chooses by measurement.
    package var rowsMax: Int
    /// Microseconds that rows wait for company while nothing else is to be computed.
    package var delayMicrosecondsMax: Int
    /// Milliseconds that a request may wait; 0 chooses by measurement.
    package var queueMillisecondsMax: Int

    init(_ section: inout SettingsSection) {
        mode = section.choice(
            "mode",
            default: BatchSettings.Mode.auto,
            doc: "auto (by measured cost), inline (on the event loops) or queue (in the batcher)"
        )
        inlineMicrosecondsMax = section.integer(
            "inline_microseconds_max",
            default: 200,
            in: 1...1_000_000,
            doc: "longest computation that auto leaves to an event loop, in microseconds"
        )
        rowsMax = section.integer(
            "rows_max",
            default: 0,
            in: 0...65_536,
            doc: "most rows of several requests computed together; 0 chooses by measurement"
        )
        delayMicrosecondsMax = section.integer(
            "delay_microseconds_max",
            default: 0,
            in: 0...1_000_000,
            doc: "microseconds that rows wait for company while nothing else is to be computed"
        )
        queueMillisecondsMax = section.integer(
            "queue_milliseconds_max",
            default: 0,
            in: 0...60_000,
            doc: "milliseconds that a request may wait for the batcher; "
                + "0 is what keeps answers within about three times that of a row alone, "
                + "and 50 while few requests are refused"
        )
        section.finish()
    }

    /// The same in serving's words.
    var settings: BatchSettings {
        BatchSettings(
            mode: mode,
            inlineNanosecondsMax: UInt64(inlineMicrosecondsMax) * 1000,
            rowsMax: rowsMax > 0 ? rowsMax : nil,
            delayNanoseconds: UInt64(delayMicrosecondsMax) * 1000,
            queueNanosecondsMax: queueMillisecondsMax > 0
                ? UInt64(queueMillisecondsMax) * 1_000_000 : nil
        )
    }
}
