enum RetrainingStub {}
