//! Components that are small, valid, and costly to compile.

use wasm_encoder::{
    BlockType, CodeSection, Component, Function, FunctionSection, InstanceSection, Module, ModuleSection,
    NestedComponentSection, TypeSection, ValType,
};

/// 45 KB that take minutes to compile, in little memory: loops in one another, in optimised compilers too.
pub fn slow() -> Vec<u8> {
    component(&nested_loops(5_000, 1))
}

/// 17 KB that take 2 GB to compile: each of many loops in one another carries many values.
pub fn large() -> Vec<u8> {
    component(&nested_loops(1_000, 1_000))
}

/// A component with a function that leaves a value behind, which is not valid.
pub fn invalid() -> Vec<u8> {
    let mut function = Function::new([]);
    function.instructions().i32_const(7).end();
    component(&function)
}

/// Components in one another, so many deep.
pub fn nested(depth: usize) -> Vec<u8> {
    let mut outermost = Component::new();
    for _ in 0..depth {
        let inner = std::mem::take(&mut outermost);
        outermost.section(&NestedComponentSection(&inner));
    }
    outermost.finish()
}

/// A component that does nothing and exports nothing.
pub fn empty() -> Vec<u8> {
    Component::new().finish()
}

/// A component with one function, which it does not call.
fn component(function: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut code = CodeSection::new();
    code.function(function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut instances = InstanceSection::new();
    instances.instantiate::<[(&str, wasm_encoder::ModuleArg); 0], &str>(0, []);
    let mut component = Component::new();
    component.section(&ModuleSection(&module)).section(&instances);
    component.finish()
}

/// Loops in one another, so many `deep`, that all carry `values`.
fn nested_loops(deep: u32, values: u32) -> Function {
    let mut function = Function::new([(values, ValType::I32)]);
    let mut instructions = function.instructions();
    for _ in 0..deep {
        instructions.loop_(BlockType::Empty);
    }
    for value in 0..values {
        instructions.local_get(value).i32_const(1).i32_add().local_set(value);
    }
    for level in 0..deep {
        instructions.local_get(level % values).br_if(0).end();
    }
    instructions.end();
    function
}
