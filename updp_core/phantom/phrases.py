# ruff: noqa: E501  (a phrase a line)
"""The report grammar: how each finding, its absence and the parts of a report are put into words.

`[a|b|c]` is a choice (choices nest, and may be empty), `{slot}` is filled from the finding: `sev` (a severity word
of its own), `side` ("right"), `zone` ("right upper lobe"), `base` and more. No phrase names a finding other than its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def expand(template: str, rng: np.random.Generator, slots: Mapping[str, str] | None = None) -> str:
    """One sentence of the grammar: innermost choices first, then slots; spaces tidied."""
    text = template
    while match := _CHOICE.search(text):
        options = match.group(1).split("|")
        text = text[: match.start()] + options[int(rng.integers(len(options)))] + text[match.end() :]
    for name, value in (slots or {}).items():
        text = text.replace("{" + name + "}", value)
    text = re.sub(r" +", " ", text).replace(" ,", ",").replace(" .", ".").strip()
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", text)


SEVERITY_WORDS: Mapping[str, tuple[str, str, str]] = {
    "cardiomegaly": ("[mild|slight]", "moderate", "[severe|marked|massive]"),
    "pleural_effusion": (
        "[small|trace to small|minimal]",
        "[moderate|moderate-sized|moderate]",
        "[large|large|massive]",
    ),
    "consolidation": ("[mild|small|patchy mild]", "[moderate|confluent moderate]", "[dense|extensive|severe]"),
    "atelectasis": ("[mild|minimal|slight]", "[moderate|moderate]", "[marked|severe|extensive]"),
    "edema": ("[mild|minimal]", "moderate", "[severe|marked]"),
    "pneumothorax": ("[small|tiny to small|small]", "[moderate|moderate-sized]", "[large|large|very large]"),
    "nodule": ("[small|small]", "[medium-sized|moderate-sized]", "[large|large]"),
    "emphysema": ("[mild|mild]", "[moderate|moderate]", "[severe|advanced]"),
    "fibrosis": ("[mild|mild|early]", "[moderate|moderate]", "[severe|extensive|advanced]"),
    "pleural_thickening": ("[mild|slight]", "[moderate|moderate]", "[marked|severe|bulky]"),
    "hernia": ("[small|small]", "[moderate|moderate-sized]", "[large|large]"),
    "scoliosis": ("[mild|slight]", "[moderate|moderate]", "[severe|marked]"),
    "rib_fracture": (
        "[minimally displaced|mildly displaced]",
        "[moderately displaced|displaced]",
        "[markedly displaced|severely displaced]",
    ),
    "granuloma": ("[small|tiny]", "[|]", "[large|coarse]"),
    "pacemaker": ("", "", ""),
    "central_line": ("", "", ""),
    "endotracheal_tube": ("", "", ""),
    "sternotomy_wires": ("", "", ""),
    "chest_tube": ("", "", ""),
}

# Sentences that state a finding in FINDINGS, and the line of the IMPRESSION.
STATE: Mapping[str, tuple[str, ...]] = {
    "cardiomegaly": (
        "[The heart is|The cardiac silhouette is|The heart size is] {adv} enlarged.",
        "There is {sev} cardiomegaly.",
        "[Cardiac enlargement|Enlargement of the cardiac silhouette], {sev} in degree.",
        "{Sev} enlargement of the [heart|cardiac silhouette|cardiomediastinal silhouette] is [present|noted|seen].",
        "The cardiothoracic ratio is increased, [in keeping with|consistent with|indicating] {sev} cardiomegaly.",
    ),
    "pleural_effusion": (
        "There {is} {art}{sev} {side} pleural {eff}.",
        "{Sev} {side} pleural {eff} [with blunting of the {angle}|{is} present|{is} noted|{is} seen layering at the {base}].",
        "Blunting of the {angle} [from|by|consistent with|due to] {art}{sev} pleural {eff}.",
        "{Side} pleural fluid, {sev} in [amount|volume|size], [obscures the hemidiaphragm|is present|tracks up the lateral chest wall].",
        "[Opacity|Increased opacity] at the {base} with a meniscus [represents|is consistent with|is compatible with] {art}{sev} pleural {eff}.",
    ),
    "consolidation": (
        "There is {sev} consolidation in the {zone}.",
        "{Sev} airspace [opacity|opacification|disease] in the {zone}[, concerning for pneumonia|, suspicious for pneumonia|, which may represent pneumonia in the appropriate clinical setting|].",
        "[Airspace|Alveolar] consolidation, {sev}, [is seen|is noted|is present|projects] in the {zone}[ with air bronchograms|].",
        "{Sev} [focal|patchy|confluent] consolidation [involving|within|in] the {zone}[, likely infectious|, likely pneumonia|].",
        "{Sev} consolidation [involves|affects|occupies] the {zone}[, most likely pneumonia|].",
    ),
    "atelectasis": (
        "{Sev} [linear|plate-like|subsegmental|discoid] atelectasis [at|in] the {zone}.",
        "There is {sev} atelectasis in the {zone}[ with volume loss|].",
        "[Linear|Band-like] opacities in the {zone} [represent|are consistent with|are compatible with|likely represent] {sev} atelectasis.",
        "[Streaky|Linear] {zone} [opacities|densities], [likely|most likely|favored to be] {sev} atelectasis.",
    ),
    "edema": (
        "There is {sev} pulmonary edema.",
        "[Bilateral perihilar|Perihilar and interstitial|Diffuse perihilar] opacities [consistent with|in keeping with|compatible with] {sev} pulmonary edema.",
        "{Sev} [interstitial|alveolar|interstitial and alveolar] pulmonary edema with [vascular congestion|indistinct vessels|Kerley B lines].",
        "[Indistinct pulmonary vasculature|Vascular indistinctness] and perihilar haze [indicate|suggest|are consistent with] {sev} pulmonary edema.",
    ),
    "pneumothorax": (
        "There is a {sev} {side} [apical |]pneumothorax.",
        "{Sev} {side} pneumothorax [is present|is seen|is identified|with a visible pleural line].",
        "A {side} pleural line [is seen|is visible] [without|with no] lung markings beyond it, [consistent with|compatible with] a {sev} pneumothorax.",
        "{Side} pneumothorax, {sev}[, without mediastinal shift|].",
    ),
    "nodule": (
        "There is a {sev} {mass} in the {zone}.",
        "A [rounded|round|well-defined|lobulated] {mass} measuring [approximately |about |]{cm} cm [projects over|is seen in|is present in] the {zone}.",
        "{Sev} [pulmonary |solitary |]{mass} in the {zone}[, {cm} cm|].",
        "[Rounded|Nodular] opacity in the {zone} measuring {cm} cm, [a {sev} {mass}|consistent with a {sev} {mass}].",
    ),
    "emphysema": (
        "The lungs are {adv} hyperinflated with flattening of the [hemidiaphragms|diaphragm][, consistent with emphysema|, in keeping with emphysema|].",
        "{Sev} emphysema[ with upper lobe bullae| with hyperinflation| with flattened diaphragms|].",
        "[Hyperinflation|Hyperexpansion] and [upper lobe lucency|apical bullae|increased lucency] [consistent with|compatible with|reflecting] {sev} emphysema.",
        "There are {sev} emphysematous changes [in the upper lobes|bilaterally|of both lungs].",
    ),
    "fibrosis": (
        "{Sev} [reticular|coarse reticular|interstitial reticular] opacities [at|in] the {fib}, [consistent with|compatible with|in keeping with] fibrosis.",
        "There is {sev} pulmonary fibrosis [in|involving|most pronounced in] the {fib}.",
        "{Sev} fibrotic changes [in|at|involving] the {fib}[ with volume loss|].",
        "[Coarse|Chronic] interstitial markings in the {fib} [represent|reflect|are due to] {sev} fibrosis.",
    ),
    "pleural_thickening": (
        "There is {sev} {side} {wall} pleural thickening.",
        "{Sev} pleural thickening [along|at|of] the {side} {wall} [pleura|chest wall].",
        "{Side} {wall} pleural thickening, {sev} in degree.",
    ),
    "hernia": (
        "There is a {sev} hiatal hernia.",
        "{Sev} hiatal hernia [is seen behind the heart|with an air-fluid level|is noted|is present].",
        "[Retrocardiac|Rounded retrocardiac] opacity with an air-fluid level [represents|is consistent with|is compatible with] a {sev} hiatal hernia.",
    ),
    "scoliosis": (
        "There is {sev} {scol} of the thoracic spine.",
        "{Sev} {scol} [is present|is noted|of the thoracic spine].",
        "Thoracic scoliosis, {sev}, convex to the {side}.",
    ),
    "rib_fracture": (
        "[There are|Again seen are|Noted are] {sev} fractures of the {ribs}.",
        "{Sev} {ribs1} fractures [with callus formation|are present|are noted|with surrounding callus].",
        "[Healing|Old healing|Subacute] {sev} fractures [of|involving] the {ribs}.",
    ),
    "granuloma": (
        "{Gran} in the {zone}.",
        "There [{is}] {gran} in the {zone}.",
        "{Gran} [{is}] [seen|noted|present] in the {zone}[, reflecting prior granulomatous disease|].",
    ),
    "pacemaker": (
        "{Side} [chest wall|chest|sided] {leads} pacemaker [is in place|is present|with leads in expected position].",
        "A {leads} pacemaker [is seen|projects] over the {side} chest.",
        "[Cardiac pacemaker|Pacemaker device] on the {side} with {leads2}.",
    ),
    "central_line": (
        "{Side} {route} central venous [catheter|line] [terminates in|with tip in|with its tip projecting over] the [superior vena cava|SVC|mid SVC|lower SVC].",
        "A {side} {route} central line [is in place|is present|has its tip in the SVC].",
        "The tip of the {side} {route} central venous catheter [lies|projects|is] [in|over] the [SVC|superior vena cava].",
    ),
    "endotracheal_tube": (
        "[The endotracheal tube|Endotracheal tube|An endotracheal tube] [terminates|ends] {cm} cm above the carina.",
        "[The tip of the endotracheal tube|Endotracheal tube tip] [is|lies|projects] [approximately |about |]{cm} cm above the carina.",
        "The patient is intubated, with the endotracheal tube tip {cm} cm above the carina.",
        "Endotracheal tube in [satisfactory|standard|appropriate] position.",
    ),
    "sternotomy_wires": (
        "[Median sternotomy wires|Sternotomy wires|Midline sternotomy wires] [are intact|are present|are noted|are seen].",
        "[Status post|The patient is status post|Post] median sternotomy with [intact|aligned] sternotomy wires.",
    ),
    "chest_tube": (
        "A {side} chest tube [is in place|is present|terminates at the {tube}|is directed towards the {tube}].",
        "{Side} [chest tube|thoracostomy tube|pleural drain] with its tip [at|near|projecting over] the {tube}.",
        "[There is|Interval placement of] a {side} chest tube with tip at the {tube}.",
    ),
}

IMPRESSION: Mapping[str, tuple[str, ...]] = {
    "cardiomegaly": ("{Sev} cardiomegaly.", "Cardiomegaly, {sev}.", "{Sev} cardiac enlargement."),
    "pleural_effusion": ("{Sev} {side} pleural {eff}.", "{Side} pleural {eff}, {sev}."),
    "consolidation": (
        "{Sev} {zone} consolidation[, concerning for pneumonia|, suspicious for pneumonia|].",
        "[Consolidation|Airspace disease] in the {zone}, {sev}[, likely pneumonia|].",
        "{Sev} {zone} [pneumonia|consolidation].",
    ),
    "atelectasis": ("{Sev} {zone} atelectasis.", "{Sev} atelectasis [at|in] the {zone}."),
    "edema": ("{Sev} pulmonary edema.", "Findings of {sev} pulmonary edema."),
    "pneumothorax": ("{Sev} {side} pneumothorax.", "{Side} pneumothorax, {sev}."),
    "nodule": ("{Sev} {mass} in the {zone}.", "{Sev} {zone} {mass}[, follow-up CT recommended|; CT is recommended|]."),
    "emphysema": ("{Sev} emphysema.", "[Changes of|Findings of] {sev} emphysema."),
    "fibrosis": ("{Sev} fibrosis [in|of] the {fib}.", "{Sev} pulmonary fibrosis in the {fib}."),
    "pleural_thickening": ("{Sev} {side} {wall} pleural thickening.",),
    "hernia": ("{Sev} hiatal hernia.",),
    "scoliosis": ("{Sev} thoracic {scol}.",),
    "rib_fracture": ("{Sev} fractures of the {ribs}.", "{Ribs1} fractures, {sev}."),
    "granuloma": ("{Gran} in the {zone}.",),
    "pacemaker": ("{Side} chest {leads} pacemaker.", "Pacemaker in place on the {side}."),
    "central_line": ("{Side} {route} central line [in the SVC|in satisfactory position|in place].",),
    "endotracheal_tube": ("Endotracheal tube [in place|in satisfactory position|above the carina].",),
    "sternotomy_wires": (
        "[Prior|Status post] median sternotomy[ with intact wires| with sternotomy wires|, sternotomy wires in place].",
    ),
    "chest_tube": ("{Side} chest tube [in place|in position].", "{Side} pleural drain in place (chest tube)."),
}

# Whole-word ways to say that something is not there; each names what it denies, and is used only when all of it is absent.
DENY: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("pneumothorax",),
        "[No pneumothorax.|There is no pneumothorax.|No evidence of pneumothorax.|No pneumothorax is [seen|identified].]",
    ),
    (
        ("pleural_effusion",),
        "[No pleural effusion.|There is no pleural effusion.|The costophrenic angles are [sharp|clear].|No pleural fluid.|Without pleural effusion.]",
    ),
    (
        ("pleural_effusion", "pneumothorax"),
        "[No pleural effusion or pneumothorax.|There is no [evidence of |]pneumothorax or pleural effusion.|Negative for pneumothorax or pleural effusion.|No pneumothorax or effusion [is seen|is identified|].]",
    ),
    (
        ("consolidation",),
        "[No focal consolidation.|There is no focal airspace consolidation.|No consolidation [is seen|is identified|].|No evidence of pneumonia.|No focal airspace disease.]",
    ),
    (
        ("consolidation", "pleural_effusion", "pneumothorax"),
        "[No focal consolidation, pleural effusion, or pneumothorax.|There is no [evidence of |]consolidation, effusion or pneumothorax.]",
    ),
    (
        ("edema",),
        "[No pulmonary edema.|No evidence of pulmonary edema.|The pulmonary vasculature is [normal|within normal limits|unremarkable].]",
    ),
    (("nodule",), "[No [suspicious |]pulmonary nodule.|No nodule or mass is [seen|identified].]"),
    (
        ("cardiomegaly",),
        "[The heart is normal in size.|Heart size is normal.|The heart size is within normal limits.|Cardiac silhouette is within normal limits.|Normal heart size.|No cardiomegaly.|The cardiac silhouette is [normal|not enlarged].]",
    ),
    (
        ("rib_fracture",),
        "[No acute [osseous abnormality|fracture|rib fracture].|No displaced rib fracture.|No fracture is [seen|identified].]",
    ),
    (
        ("rib_fracture", "scoliosis"),
        "[The [bony thorax is|osseous structures are|visualized bones are] [intact|unremarkable].|Bones are unremarkable.|Osseous structures are intact.]",
    ),
    (("atelectasis",), "[No atelectasis.|No atelectasis is seen.]"),
    (("hernia",), "[No hiatal hernia.|No hiatal hernia is seen.]"),
)
CLEAR = (
    "[The lungs are clear.|Lungs are clear bilaterally.|Clear lungs.|Both lungs are clear [and well expanded|and well aerated|].|"
    "The lungs are [well expanded|adequately inflated] and clear.|Lung fields are clear.]"
)
MEDIASTINUM = (
    "[The mediastinal contours are [normal|unremarkable|within normal limits].|Mediastinum is unremarkable.|"
    "Hilar contours are [normal|unremarkable].|The aorta is unremarkable.|The trachea is midline.]"
)
NORMAL_IMPRESSION = (
    "[No acute cardiopulmonary [abnormality|process|disease].|Normal chest [radiograph|x-ray].|"
    "No acute [intrathoracic process|findings].|No radiographic evidence of acute cardiopulmonary disease.|"
    "Unremarkable chest radiograph.|No active disease.|Negative chest x-ray.|Normal examination of the chest.]"
)
NO_ACUTE = "[No acute cardiopulmonary abnormality.|No acute process.|No acute findings.|Otherwise no acute change.]"
CHANGE = {
    True: "[Unchanged|Stable|Again noted|Similar to prior|No significant change]",
    False: "[New since the prior study|Increased since the prior|Slightly worse|Interval development|Improved since the prior|Not seen previously]",
}
ADVICE: Mapping[str, tuple[str, ...]] = {
    "nodule": (
        "[CT of the chest is recommended.|Recommend chest CT for further evaluation.|Dedicated CT recommended for further characterization.]",
    ),
    "consolidation": (
        "[Follow-up radiograph after treatment is recommended to document resolution.|Recommend follow-up in 6 to 8 weeks.|Clinical correlation recommended.|Radiographic follow-up to resolution is advised.]",
    ),
    "pneumothorax": (
        "[Short-interval follow-up recommended.|Recommend repeat radiograph in 4 to 6 hours.|Close follow-up advised.]",
    ),
    "edema": ("[Correlate with fluid status.|Clinical correlation is suggested.]",),
    "pleural_effusion": (
        "[Follow-up as clinically indicated.|Lateral view may be helpful.|Ultrasound could be obtained if clinically warranted.]",
    ),
    "rib_fracture": ("[Correlate with point tenderness.|Clinical correlation advised.]",),
}
INDICATION = (
    "[Cough and fever|Shortness of breath|Chest pain|Dyspnea on exertion|Preoperative evaluation|Fever|Hypoxia|Weakness|"
    "Follow-up|Altered mental status|Persistent cough|Productive cough for [two|three] weeks|Fall|Weight loss|Syncope|"
    "Wheezing|Routine examination|Pre-employment|Palpitations|Leukocytosis|Hemoptysis|Night sweats]"
)
EXAM = "[CHEST, [{view}|FRONTAL|SINGLE VIEW]|Chest radiograph|XR CHEST 1 VIEW|Chest x-ray, frontal]"
TECHNIQUE = {
    "PA": "[PA view of the chest.|Single frontal view of the chest.|Frontal (PA) chest radiograph.|Upright PA chest.|PA radiograph of the chest was obtained.]",
    "AP": "[Single portable AP view of the chest.|AP portable chest.|Portable AP chest radiograph.|Frontal AP view of the chest.|Portable semi-upright AP view.]",
}
HEADINGS: Mapping[str, tuple[str, ...]] = {
    "exam": ("EXAMINATION", "EXAM", "STUDY", "PROCEDURE"),
    "indication": ("INDICATION", "CLINICAL HISTORY", "HISTORY", "REASON FOR EXAM", "CLINICAL INFORMATION"),
    "technique": ("TECHNIQUE",),
    "comparison": ("COMPARISON", "COMPARISONS"),
    "findings": ("FINDINGS", "FINDINGS", "FINDINGS", "REPORT"),
    "impression": ("IMPRESSION", "IMPRESSION", "CONCLUSION", "IMPRESSIONS"),
}
