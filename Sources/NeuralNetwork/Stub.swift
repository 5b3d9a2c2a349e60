enum NeuralNetworkStub {}
