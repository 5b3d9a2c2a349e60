internal import Retraining

/// How the section of the gates is read.
extension GateRules {
    init(_ section: inout SettingsSection) {
        self.init()
        confidence = section.number(
            "confidence",
            default: 0.95,
            in: 0.5...0.9999,
            doc: "how sure it must be that retrain.margin is kept; 0.5 compares the bare scores"
        )
        (classMargin, classRecallMin) = Self.classes(&section)
        fallMax = section.number(
            "fall_max",
            default: 0.1,
            in: 0...1,
            doc: "how far accuracy may lie below what the champion had on its own hold-out"
        )
        brierMargin = section.number(
            "brier_margin",
            default: 0.05,
            in: 0...2,
            doc: "how far the Brier score (0 to 2) may lie above the champion's"
        )
        calibrationErrorMax = section.optionalNumber(
            "calibration_error_max",
            in: 0...1,
            doc: "greatest expected calibration error"
        )
        rowMicrosecondsMax = section.optionalNumber(
            "row_microseconds_max",
            in: 0.001...1e9,
            doc: "most microseconds that one row alone may take, measured by the trainer"
        )
        weightBytesMax = section.optionalNumber(
            "weight_bytes_max",
            in: 1...1e12,
            doc: "most bytes of the weights' file"
        )
        slices = section.texts(
            "slices",
            doc: "categorical columns whose values are judged apart, as classes are"
        )
        sliceRowsMin = section.integer(
            "slice_rows_min",
            default: 50,
            in: 1...1_000_000_000,
            doc: "rows of the hold-out that a value must have to be judged"
        )
        section.finish()
    }

    private static func classes(_ section: inout SettingsSection) -> (
        margin: Double, recallMin: Double
    ) {
        (
            section.number(
                "class_margin",
                default: 0.1,
                in: 0...1,
                doc: "how far the share of right answers may fall in one class or slice"
            ),
            section.number(
                "class_recall_min",
                default: 0,
                in: 0...1,
                doc: "least share of right answers in each class"
            )
        )
    }
}
