enum CompressionStub {}
