import type { Ref } from 'vue';
import fs = require('fs');
export * from './shapes';
export type { Area } from './shapes';

/** What it needs. */
export interface Options<T = string> extends Base<T>, Partial<Other> {
  deep?: boolean;
  readonly name: string;
  run(entry: Entry): void;
  new (size: number): Options;
}
export type Id = string | Ref<number>;
export const enum Color { Red, Green = 2, 'dark-blue' = 3 }
declare global { interface Window { app: App } }
namespace Acme.Orders { export function hidden(): Ref {} export const inner = 1; }

@Injectable()
export abstract class Box<T> extends Base<T> implements Shape, Sized {
  private static count = 0;
  @Input() value: T;
  constructor(private readonly disk: Disk, public size = 1, plain: Tag) { super(); }
  abstract open(): Id;
  get total(): number { return this.value as unknown as number; }
  protected async load<K extends keyof T>(key: K): Promise<T[K]> { return await fetch<Entry>(key); }
}

declare function outside(x: Options): void;
declare const VERSION: string;
export const make = <T>(x: T): Box<T> => computed(() => x satisfies Wide);
export function over(x: string): void;
export function over(x: unknown) { const local = 1; }
export default defineComponent({ setup() { return { helper() {} }; } });
