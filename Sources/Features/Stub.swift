enum FeaturesStub {}
