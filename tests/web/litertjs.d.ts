// What the pages import that is not checked here.
declare module '@litertjs/core' {
    const getWebGpuDevice: any, loadAndCompile: any, loadLiteRt: any;
    class Tensor { [name: string]: any; constructor(values: any, shape: number[]); }
}
