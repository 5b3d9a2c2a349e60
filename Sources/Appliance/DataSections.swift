package import Retraining
internal import Transfer

/// What is done with the data of a model besides reading it.
package struct DataPolicySettings: Sendable, Equatable {
    /// How a download relates to the ones before.
    package var mode: DataPolicy.Mode
    /// `append`: downloads that are learned from.
    package var windowDownloads: Int
    /// `append`: days after which a download is not learned from any more; 0 for never.
    package var windowDays: Int
    /// Whether captured rows are learned from.
    package var usesFeedback: Bool
    /// Whether the files that versions were made of are kept.
    package var keepsSources: Bool
    /// Mirrors of a signed list of the files; empty for none.
    package var signedList: [MirrorSettings]
    /// Files with the public keys that may have signed it.
    package var signedListKeys: [String]
    /// Limits of what may change from one version's data to the next.
    package var checks: DataChecks
}

extension DataPolicySettings {
    init(_ section: inout SettingsSection) {
        mode = section.choice(
            "mode",
            default: DataPolicy.Mode.snapshot,
            doc: "snapshot: the source is the whole current data; append: it brings more rows"
        )
        windowDownloads = section.integer(
            "window_downloads",
            default: 30,
            in: 1...100_000,
            doc: "mode append: downloads that are learned from, the newest ones"
        )
        windowDays = section.integer(
            "window_days",
            default: 0,
            in: 0...36_500,
            doc: "mode append: days after which a download is left out; 0 for never"
        )
        usesFeedback = section.flag(
            "feedback",
            default: false,
            doc: "captured rows are learned from, too; needs capture.enabled"
        )
        keepsSources = section.flag(
            "keep_sources",
            default: true,
            doc: "files of the versions in the store are kept, for retrain --reproduce"
        )
        (signedList, signedListKeys) = Self.signedList(&section)
        var part = section.section("checks", doc: "what is refused before training, by rule")
        checks = DataChecks(&part)
    }

    private static func signedList(
        _ section: inout SettingsSection
    ) -> (mirrors: [MirrorSettings], keys: [String]) {
        var part = section.section("manifest", doc: "a signed list of the files' digests")
        let mirrors = part.mirrors("urls", doc: "mirrors of the list; the signature is at URL.sig")
        let keys = part.texts("keys", doc: "one or two PEM files of Ed25519 public keys")
        if mirrors.isEmpty != keys.isEmpty {
            part.report("needs both urls and keys", key: mirrors.isEmpty ? "urls" : "keys")
        }
        if keys.count > 2 {
            part.report("expected two keys at most, found \(keys.count)", key: "keys")
        }
        part.finish()
        return (mirrors, keys)
    }

    /// As a retrain takes it.
    func policy(captureFolder: String) -> DataPolicy {
        DataPolicy(
            mode: mode,
            windowDownloads: windowDownloads,
            windowDays: windowDays == 0 ? nil : windowDays,
            feedbackFolder: usesFeedback ? captureFolder : nil,
            keepsSources: keepsSources,
            signedList: signedList.isEmpty
                ? nil
                : SignedListPolicy(mirrors: signedList.map(\.mirror), keyFiles: signedListKeys),
            checks: checks
        )
    }
}

extension DataChecks {
    fileprivate init(_ section: inout SettingsSection) {
        self.init()
        rowsMin = section.integer(
            "rows_min",
            default: rowsMin,
            in: 10...1_000_000_000,
            doc: "rows to fit, and rows to hold out, at least"
        )
        classRowsMin = section.integer(
            "class_rows_min",
            default: classRowsMin,
            in: 0...1_000_000_000,
            doc: "rows of each class that the last version's data had, at least"
        )
        rowsTimesMax = section.number(
            "rows_times_max",
            default: rowsTimesMax,
            in: 1...1e9,
            doc: "how many times the last version's rows there may be"
        )
        readShares(&section)
        section.finish()
    }

    /// The limits that are shares of 1; 1 itself refuses nothing.
    private mutating func readShares(_ section: inout SettingsSection) {
        let keys: [(String, WritableKeyPath<DataChecks, Double>, String)] = [
            ("rows_lost_max", \.rowsLostMax, "share of the last version's rows that may be gone"),
            ("missing_gained_max", \.missingGainedMax, "share of a column's values newly missing"),
            ("duplicates_max", \.duplicatesMax, "share of rows that repeat an earlier one"),
            ("label_shift_max", \.labelShiftMax, "total variation of the classes' shares"),
            (
                "agreement_lost_max", \.agreementLostMax,
                "loss of rows whose nearest neighbour has the same label: noise in the labels"
            ),
            (
                "leakage_max", \.leakageMax,
                "share of hold-out rows that are fitted, too, beyond the usual"
            ),
            (
                "out_of_range_max", \.outOfRangeMax,
                "share of a column's values outside the last version's range"
            ),
            (
                "drift_max", \.driftMax,
                "total variation of an input from the last version's, unless live traffic went there"
            ),
            (
                "live_drift_max", \.liveDriftMax,
                "how much farther from live traffic than the last version's data, total variation"
            ),
        ]
        for (key, path, doc) in keys {
            self[keyPath: path] = section.number(
                key,
                default: self[keyPath: path],
                in: 0...1,
                doc: doc
            )
        }
    }
}

extension MirrorSettings {
    /// As a retrain takes it.
    var mirror: RetrainingPlan.Mirror {
        RetrainingPlan.Mirror(url: url, sha256: sha256, access: access)
    }
}

extension SettingsSection {
    /// A list whose items are URLs or `{url, sha256, …}`; a single URL counts as a list of one.
    mutating func mirrors(_ key: String, doc: String) -> [MirrorSettings] {
        guard hasSections(key) else {
            return texts(key, doc: doc).map { url in
                check(url: url, sha256: nil, key: key)
                return MirrorSettings(url: url, sha256: nil, access: SourceAccess())
            }
        }
        return sections(key, doc: doc).map { item in
            var item = item
            if let url = item.plainText {
                check(url: url, sha256: nil, key: key)
                return MirrorSettings(url: url, sha256: nil, access: SourceAccess())
            }
            let url = item.string("url", required: true, doc: "where the file can be had")
            let sha256 = item.optionalString("sha256", doc: "SHA-256 of the decompressed bytes")
            let access = item.access()
            item.finish()
            check(url: url, sha256: sha256, key: key)
            return MirrorSettings(url: url, sha256: sha256?.lowercased(), access: access)
        }
    }

    private func check(url: String, sha256: String?, key: String) {
        if !url.hasPrefix("file:///") && !(url.hasPrefix("https://") && url.utf8.count > 8) {
            report("expected a file:// or https:// URL, found \(url)", key: key)
        }
        if let sha256, sha256.utf8.count != 64 || !sha256.allSatisfy(\.isHexDigit) {
            report("expected 64 hexadecimal digits, found \(sha256)", key: key)
        }
    }

    /// What a place wants besides its URL.
    private mutating func access() -> SourceAccess {
        let pins = texts("pinned_keys", doc: "sha256//… of the public keys it may have")
        for pin in pins where !pin.hasPrefix("sha256//") || pin.utf8.count != 52 {
            report(
                "expected sha256// and 44 characters of base64, found \(pin)",
                key: "pinned_keys"
            )
        }
        let name = optionalString("header", doc: "name of the header that header_file is for")
        let region = optionalString("s3_region", doc: "region of s3_credentials_file")
        let files: [(key: String, make: (String) -> SourceSecret)] = [
            ("token_file", { .bearer(file: $0) }),
            ("password_file", { .basic(file: $0) }),
            ("header_file", { .header(name: name ?? "", file: $0) }),
            ("s3_credentials_file", { .s3(region: region ?? "", file: $0) }),
        ]
        var secrets: [SourceSecret] = []
        for (key, make) in files {
            guard let path = optionalString(key, doc: "file with the secret") else { continue }
            secrets.append(make(path))
        }
        if secrets.count > 1 { report("expected one secret, found several", key: "url") }
        checkNames(name, region, secrets.first)
        return SourceAccess(
            secret: secrets.first,
            pinnedKeys: pins,
            allowsPrivate: flag(
                "allow_private",
                default: false,
                doc: "whether its name may lead to this machine or a network of your own"
            )
        )
    }

    private func checkNames(_ header: String?, _ region: String?, _ secret: SourceSecret?) {
        func isWord(_ text: String, _ others: String) -> Bool {
            !text.isEmpty && text.utf8.count <= 64
                && text.allSatisfy {
                    $0.isASCII && ($0.isLetter || $0.isNumber || others.contains($0))
                }
        }
        if case .header(let name, _) = secret, !isWord(name, "-_") {
            report("header_file needs header, a name of letters, digits, - and _", key: "header")
        }
        if case .s3(let region, _) = secret, !isWord(region, "-") {
            report("s3_credentials_file needs s3_region, such as eu-central-1", key: "s3_region")
        }
        if header != nil, case .header = secret {
        } else if header != nil {
            report("needs header_file", key: "header")
        }
        if region != nil, case .s3 = secret {
        } else if region != nil {
            report("needs s3_credentials_file", key: "s3_region")
        }
    }
}
