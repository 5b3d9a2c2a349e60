internal import Files

/// The configuration that stands in when none is named: `config/quickstart.yaml`, word for word.
extension SettingsFile {
    /// Reads the named configuration, that of `LEEWAY_CONFIG`, or the built-in quickstart.
    ///
    /// - Parameter path: The file; nil when none was named.
    /// - Returns: The settings.
    /// - Throws: ``SettingsError`` with all problems; `FileError` when the file cannot be read.
    package static func readOrQuickstart(_ path: String?) throws -> Settings {
        let environment = ProcessEnvironment.variables()
        if let path = path ?? environment["LEEWAY_CONFIG"] {
            return try read(path, environment: environment)
        }
        return try parse(quickstart, file: quickstartName, environment: environment)
    }

    /// The name of the built-in configuration in messages.
    package static let quickstartName = "built-in quickstart"

    /// The text of `config/quickstart.yaml`.
    package static let quickstart = """
        # The quickstart: Fashion-MNIST (Zalando Research, MIT licence) from Debian's package
        # dataset-fashion-mnist, the certificate made on the first start, everything on this machine.
        # Every key with its default: config/production.yaml.
        api:        {listen: 127.0.0.1:8443}
        operations: {listen: 127.0.0.1:9443}
        tls:        {certificate: auto}
        state:      .leeway
        log:        {level: info, format: json}

        models:
          - name: fashion
            task: classification
            labels: [T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot]
            input: {kind: image, shape: [28, 28], scale: 255}
            network: {hidden: [64], activation: relu}
            training: {epochs: 5, batch: 32, optimizer: adam, learning_rate: 0.001, seed: 1}
            data:
              format: idx
              train:
                features:
                  - file:///usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
                  - url: https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-images-idx3-ubyte.gz
                    sha256: c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
                  - url: https://storage.googleapis.com/tensorflow/tf-keras-datasets/train-images-idx3-ubyte.gz
                    sha256: c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
                labels:
                  - file:///usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz
                  - url: https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-labels-idx1-ubyte.gz
                    sha256: bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
                  - url: https://storage.googleapis.com/tensorflow/tf-keras-datasets/train-labels-idx1-ubyte.gz
                    sha256: bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
              test:
                features:
                  - file:///usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz
                  - url: https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-images-idx3-ubyte.gz
                    sha256: 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
                  - url: https://storage.googleapis.com/tensorflow/tf-keras-datasets/t10k-images-idx3-ubyte.gz
                    sha256: 5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
                labels:
                  - file:///usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz
                  - url: https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-labels-idx1-ubyte.gz
                    sha256: 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
                  - url: https://storage.googleapis.com/tensorflow/tf-keras-datasets/t10k-labels-idx1-ubyte.gz
                    sha256: 0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34
            retrain: {schedule: "0 3 * * *", on_drift: true}
            release: immediate
            drift: {tolerance: 0.05, false_alarm_interval: 1000000}

        """
}
