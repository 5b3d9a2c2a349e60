enum ToolsStub {}
