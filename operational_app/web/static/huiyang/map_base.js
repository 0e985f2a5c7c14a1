/* What every map here is made of: the ground, tiles where they are configured, the counties. Comes before its page's
   own script. All positions are in degrees of WGS-84. */
"use strict";

const CITY = [[109.55, 20.15], [111.0, 21.95]];
const FONT = ["sans-serif"];

const has = (property) => ["has", property];

const styleOf = (frame) => {
    const style = { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": "#eef3f8" } }] };
    if (frame.dataset.tiles) {
        style.sources.tiles = { type: "raster", tiles: [frame.dataset.tiles], tileSize: 256, maxzoom: 18, attribution: frame.dataset.attribution };
        style.layers.push({ id: "tiles", type: "raster", source: "tiles" });
    }
    return style;
};

/* Throws where the browser has no WebGL. */
const makeMap = (frame, title) => {
    maplibregl.setWorkerUrl(frame.dataset.worker);
    const map = new maplibregl.Map({
        container: frame, style: styleOf(frame), bounds: CITY, fitBoundsOptions: { padding: 10 }, minZoom: 6, maxZoom: 18,
        dragRotate: false, pitchWithRotate: false, attributionControl: frame.dataset.tiles ? { compact: false } : false,
        locale: { "Map.Title": title, "Marker.Title": "所填位置", "NavigationControl.ZoomIn": "放大", "NavigationControl.ZoomOut": "缩小" },
    });
    map.touchZoomRotate.disableRotation();
    map.addControl(new maplibregl.NavigationControl({ showCompass: false }));
    return map;
};

/* Draws the counties and gives their GeoJSON. */
const drawCounties = async (map, frame) => {
    const answer = await fetch(frame.dataset.counties, { headers: { Accept: "application/json" } });
    const data = answer.ok ? await answer.json() : { type: "FeatureCollection", features: [] };
    map.addSource("counties", { type: "geojson", data });
    map.addLayer({ id: "county-areas", type: "fill", source: "counties", paint: { "fill-color": "#fff", "fill-opacity": frame.dataset.tiles ? 0.15 : 1 } });
    map.addLayer({ id: "county-lines", type: "line", source: "counties", paint: { "line-color": "#7d8ba0", "line-width": 1.5 } });
    map.addLayer({ id: "county-names", type: "symbol", source: "counties", filter: has("name"), layout: { "text-field": ["get", "name"], "text-font": FONT, "text-size": 14 }, paint: { "text-color": "#48566a", "text-halo-color": "#fff", "text-halo-width": 1.5 } });
    return data;
};
