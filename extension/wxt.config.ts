import { resolve } from 'node:path';
import { defineConfig } from 'wxt';

const BUNDLES = resolve(import.meta.dirname, '../edge_models/bundles');
const ORT = resolve(import.meta.dirname, 'node_modules/onnxruntime-web/dist');

/** What ships beside the code: models as bundles, and the WASM that runs them. */
const assets = (ort: string): Record<string, string> => ({
  'models/faces/card.json': `${BUNDLES}/blazeface-full-range/card.json`,
  'models/faces/model.onnx': `${BUNDLES}/blazeface-full-range/model.onnx`,
  'models/detector/card.json': `${BUNDLES}/dfedge-efficientnet-b0-int8/card.json`,
  'models/detector/model.onnx': `${BUNDLES}/dfedge-efficientnet-b0-int8/model.onnx`,
  'models/detector/preprocess.onnx': `${BUNDLES}/dfedge-efficientnet-b0-int8/preprocess.onnx`,
  'ort/ort.mjs': `${ORT}/${ort}.mjs`,
  'ort/ort.wasm': `${ORT}/${ort}.wasm`,
});

/** Who the extension is to Firefox, that it collects nothing, and the first version that knows this. */
const FIREFOX = {
  gecko: {
    id: 'dfedge@dfedge',
    strict_min_version: '140.0',
    data_collection_permissions: { required: ['none'] },
  },
};

export default defineConfig({
  srcDir: 'src',
  imports: false,
  manifestVersion: 3,
  manifest: ({ browser }) => ({
    name: '__MSG_ext_name__',
    description: '__MSG_ext_description__',
    default_locale: 'en',
    // docs/extension.md says what each is for.
    permissions: [
      'storage',
      'contextMenus',
      'declarativeNetRequestWithHostAccess',
      ...(browser === 'firefox' ? [] : ['offscreen', 'tabCapture']),
    ],
    host_permissions: ['<all_urls>'],
    commands: {
      _execute_action: { suggested_key: { default: 'Alt+Shift+D' } },
      reveal: {
        suggested_key: { default: 'Alt+Shift+V' },
        description: '__MSG_command_reveal__',
      },
      check: { suggested_key: { default: 'Alt+Shift+K' }, description: '__MSG_command_check__' },
      toggle_site: { description: '__MSG_command_toggle_site__' },
    },
    content_security_policy: {
      extension_pages: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'",
    },
    // Pixels travel from the page to the judge as they are, not as JSON.
    ...(browser === 'firefox'
      ? { browser_specific_settings: FIREFOX }
      : { message_serialization: 'structured_clone', minimum_chrome_version: '148' }),
  }),
  zip: {
    // Mozilla wants all that the package is built from, and nothing more: docs/extension.md says how.
    sourcesRoot: resolve(import.meta.dirname, '..'),
    excludeSources: ['**/*'],
    includeSources: [
      'LICENSE',
      'NOTICE',
      'docs/{extension,privacy}.md',
      'extension/{src,public,scripts}/**',
      'extension/*.{json,ts,mjs}',
      'edge_models/bundles/{blazeface-full-range,dfedge-efficientnet-b0-int8}/**',
      'sdk/dfedge/*.schema.json',
    ],
  },
  hooks: {
    'build:publicAssets': ({ config }, files) => {
      const ort = `ort-wasm-simd-threaded${config.browser === 'firefox' ? '' : '.jspi'}`;
      for (const [relativeDest, absoluteSrc] of Object.entries(assets(ort))) {
        files.push({ absoluteSrc, relativeDest });
      }
    },
  },
  vite: ({ browser }) => ({
    resolve: {
      // The WASM stays a file of its own instead of being embedded into each script.
      conditions: ['onnxruntime-web-use-extern-wasm'],
      // The build that also knows WebGPU needs JSPI, which Firefox does not have.
      alias: browser === 'firefox' ? {} : { 'onnxruntime-web/wasm': 'onnxruntime-web/jspi' },
    },
  }),
});
