"""How radiologists write the findings of FINDINGS, and the words that negate or weaken them. Data only.

Each term is a regular expression over lower-case text with single spaces, matched at word boundaries.
"""

from __future__ import annotations

FINDINGS: tuple[str, ...] = (
    "cardiomegaly",
    "pleural_effusion",
    "consolidation",
    "atelectasis",
    "edema",
    "pneumothorax",
    "nodule",
    "emphysema",
    "fibrosis",
    "pleural_thickening",
    "hernia",
    "scoliosis",
    "rib_fracture",
    "granuloma",
    "pacemaker",
    "central_line",
    "endotracheal_tube",
    "sternotomy_wires",
    "chest_tube",
)

_GRADE = (
    r"(?:(?:very|slightly|mildly|moderately|markedly|severely|massively|grossly|significantly|borderline|again|also"
    r"|now) )*"
)
_HEART = (
    r"(?:heart|cardiac (?:silhouette|shadow|contours?|size)|heart (?:size|shadow|silhouette)"
    r"|cardio(?:mediastinal|pericardial) silhouette)"
)
_BE = r"(?:is|are|appears?|remains?|was|were|seems?|has been)"

TERMS: dict[str, tuple[str, ...]] = {
    "cardiomegaly": (
        r"cardiomegaly",
        r"cardiac enlargement",
        r"enlargement of the (?:heart|cardiac silhouette|cardiomediastinal silhouette)",
        rf"enlarged {_HEART}",
        r"(?:prominent|large) heart",
        rf"heart {_BE} {_GRADE}large",
        rf"{_HEART} (?:size )?(?:(?:{_BE}|size|contour) )*(?:to be )?{_GRADE}(?:enlarged|dilated)",
        rf"{_HEART} (?:size )?{_BE} {_GRADE}increased",
        r"increased (?:heart size|cardiothoracic ratio)",
        r"(?:increased|enlarged) transverse (?:heart|cardiac) diameter",
    ),
    "pleural_effusion": (
        r"(?:pleural |hydro)?effusions?",
        r"pleural fluid",
        r"hydropneumothorax",
        r"(?:hydro|hemo|haemo)thora(?:x|ces)",
        r"blunt(?:ed|ing)(?: of)?(?: the)?(?: \w+){0,3} (?:costophrenic|cp)(?: \w+)? ?"
        r"(?:angles?|sulc(?:us|i)|recess(?:es)?)?",
        r"(?:costophrenic|cp) (?:angles?|sulc(?:us|i)) (?:is|are) (?:\w+ )?(?:blunted|obscured)",
    ),
    "consolidation": (
        r"consolidat(?:ions?|ive|ed|ing)(?: \w+)?",
        r"(?:broncho)?pneumonias?",
        r"air ?-?space (?:disease|opacit(?:y|ies)|opacification|process)",
        r"infiltrat(?:es?|ions?)",
        r"lobar opacit(?:y|ies|fication)",
        r"air bronchograms?",
    ),
    "atelectasis": (
        r"atelecta(?:sis|ses|tic)",
        r"(?<!with )volume loss",
        r"loss of (?:lung )?volume",
        r"(?:lobar|lobe|lung) collapse",
        r"collapse of the (?:\w+ ){1,3}(?:lobe|lung)",
    ),
    "edema": (
        r"(?:pulmonary |interstitial |alveolar |lung )*(?:o?edema)",
        r"(?:pulmonary |central |perihilar )*(?:vascular|venous) congestion",
        r"pulmonary congestion",
        r"kerley(?: b)? lines?",
        r"cephali[sz]ation",
    ),
    "pneumothorax": (r"(?:hydro)?pneumothora(?:x|ces)", r"ptx"),
    "nodule": (
        r"(?:micro)?nodul(?:es?|ar (?:opacit(?:y|ies)|densit(?:y|ies)|lesions?|foc(?:us|i)|shadows?))",
        r"(?:pulmonary |lung |lobe |perihilar |hilar )mass(?:es)?",
        r"(?:suspicious |discrete |focal |dominant )*mass(?:es)?(?! effect)",
        r"coin lesions?",
    ),
    "emphysema": (
        r"emphysema(?:tous(?: changes?)?)?",
        r"copd",
        r"chronic obstructive(?: (?:pulmonary|lung|airways?))?(?: disease)?",
        r"hyper-?(?:inflat(?:ion|ed)|expan(?:sion|ded)|lucen(?:t|cy)|aerat(?:ed|ion)|disten(?:ded|tion|sion))",
        r"bull(?:ae|ous)(?: \w+)?",
    ),
    "fibrosis": (
        r"fibro(?:sis|tic)(?: \w+)?",
        r"honeycomb(?:ing)?",
        r"reticula(?:r|tion)(?:s| opacit(?:y|ies)| pattern| markings| changes)?",
        r"interstitial lung disease",
    ),
    "pleural_thickening": (
        r"(?:bi)?(?:apical |pleural )*pleural(?:-based)?(?: and parenchymal)? thickening",
        r"thickening of the (?:\w+ ){0,2}pleura",
        r"thickened pleura",
        r"(?:bi)?apical (?:pleural )?cap(?:s|ping)?",
    ),
    "hernia": (r"(?:hiatal|hiatus|diaphragmatic|morgagni|bochdalek|paraesophageal) (?:type )?hernia(?:s|tion)?",),
    "scoliosis": (
        r"(?:dextro|levo|roto|kypho|rotatory )*-?scolio(?:sis|tic)(?: \w+)?",
        r"(?:dextro|levo)(?:curvature|convex(?:ity)?)",
        r"(?:lateral|rightward|leftward|s-shaped|scoliotic) curvature of the (?:\w+ )?spine",
    ),
    "rib_fracture": (
        r"ribs? (?:deformit(?:y|ies) (?:from|due to) )?fractures?",
        r"(?:\w+ ){0,1}fractures? (?:of|in|involving|through) (?:the |a )?(?:\S+ ){0,6}ribs?",
        r"fractured (?:\w+ ){0,3}ribs?",
        r"fractures?\b[^.,;]{0,50}\bribs?",
        r"ribs?\b[^.,;]{0,50}\bfractures?",
        r"broken ribs?",
    ),
    "granuloma": (
        r"granulom(?:as?|ata|atous(?: disease)?)",
        r"calcified (?:\w+ ){0,3}nodules?",
        r"nodul(?:e|es) (?:is|are|that is|that are) calcified",
    ),
    "pacemaker": (
        r"pace ?makers?(?: leads?| wires?)?",
        r"(?:aicd|icd|crt-?d|pacer)s?",
        r"(?:cardioverter|cardiac )?-?defibrillators?",
        r"pac(?:ing|er) (?:leads?|wires?|device|electrodes?)",
        r"(?:single|dual|triple|two|three)[ -]?(?:lead|chamber) (?:\w+ ){0,3}(?:pacemaker|pacer|device|icd|aicd)",
        r"(?:cardiac )?(?:conduction|rhythm) (?:management )?device",
    ),
    "central_line": (
        r"central (?:venous )?(?:lines?|catheters?|access)",
        r"picc(?: lines?| catheters?)?",
        r"port-?a-?caths?|mediports?|(?:chest|infusion|central venous) ports?|port(?:acath)? catheter",
        r"(?:internal jugular|jugular|subclavian|ij)(?: central)?(?: venous)?(?: dual lumen| dialysis)?"
        r" (?:catheters?|lines?)",
        r"(?:dialysis|hemodialysis|tunneled|swan-?ganz|pulmonary artery) catheters?",
        r"cvc|cvl",
    ),
    "endotracheal_tube": (r"endotracheal tubes?", r"et tubes?|ett", r"intubated"),
    "sternotomy_wires": (
        r"(?:median )?sternotom(?:y|ies)(?: wires?| sutures?)?",
        r"sternal (?:wires?|sutures?|cerclage(?: wires?)?)",
    ),
    "chest_tube": (
        r"(?:chest|thoracostomy|pleural) (?:tubes?|drains?)",
        r"(?:pleural )?pigtail (?:pleural )?(?:catheters?|drains?)",
        r"intercostal drains?|thoracic drains?",
    ),
}

# Words that hold a term of TERMS and mean something else; they are blanked before terms are looked for.
NOT_THESE: tuple[str, ...] = (
    r"pericardial effusions?",
    r"(?:subcutaneous|surgical|soft tissue|mediastinal) emphysema",
    r"(?:soft tissue|subcutaneous|bone|marrow|cerebral|peripheral|leg) o?edema",
    r"(?:mediastinal|soft tissue|breast|abdominal|body|neck|thyroid) mass(?:es)?",
    r"mass effect",
    r"(?:thyroid|breast) nodul(?:es?|ar \w+)",
    r"(?:inguinal|umbilical|abdominal|ventral) hernia",
    r"tracheostomy tubes?",
    r"history of (?:\w+ ){0,3}(?:pneumonia|pneumothorax|copd|effusions?|nodules?|mass(?:es)?|granulomatous disease)",
)

# Statements of normality: they deny findings without naming them.
_LUNGS = r"(?<!right )(?<!left )(?:the )?(?:both )?(?:lungs?(?: fields?| zones?)?|lung parenchyma)"
_FINE = r"(?:normal|unremarkable|within normal limits|not enlarged|within the normal range|of normal size|intact)"
NORMAL: tuple[tuple[str, tuple[str, ...]], ...] = (
    (rf"{_HEART}(?: and [a-z ]{{1,40}}?)? (?:size )?{_BE} (?:\w+ ){{0,4}}?{_FINE}", ("cardiomegaly",)),
    (rf"normal (?:in )?(?:{_HEART}|heart size|size of the heart|cardiac size)", ("cardiomegaly",)),
    (r"normal (?:heart|cardiac)(?: size)?", ("cardiomegaly",)),
    (r"heart size (?:is )?(?:with)?(?:in )?normal", ("cardiomegaly",)),
    (rf"(?:cardio)?mediastinal (?:silhouette|contours?) {_BE} (?:\w+ ){{0,3}}?{_FINE}", ("cardiomegaly",)),
    (
        rf"{_LUNGS} (?:{_BE} )?"
        r"(?:otherwise |grossly |essentially |well (?:expanded|inflated|aerated) and |bilaterally )*clear",
        ("consolidation", "atelectasis", "edema"),
    ),
    (r"clear lungs", ("consolidation", "atelectasis", "edema")),
    (
        rf"(?:costophrenic|cp) (?:angles?|sulc(?:us|i)|recess(?:es)?) {_BE} (?:\w+ ){{0,2}}?"
        r"(?:sharp|clear|preserved|free|maintained)",
        ("pleural_effusion",),
    ),
    (rf"pleural spaces? {_BE} (?:\w+ ){{0,2}}?(?:clear|normal|unremarkable)", ("pleural_effusion", "pneumothorax")),
    (
        r"no (?:\w+ ){0,3}(?:acute|active) "
        r"(?:cardiopulmonary|cardiac or pulmonary|pulmonary|intrathoracic|chest|cardiothoracic)"
        r" (?:\w+ )?(?:abnormalit(?:y|ies)|disease|process(?:es)?|findings?|patholog(?:y|ies)|pathologic \w+)",
        ("consolidation", "edema", "pneumothorax"),
    ),
    (rf"(?:osseous|bony) (?:structures|thorax) {_BE} (?:\w+ ){{0,2}}?{_FINE}", ("rib_fracture",)),
    (rf"(?:ribs|bones) {_BE} (?:\w+ ){{0,2}}?{_FINE}", ("rib_fracture",)),
    (r"no (?:\w+ ){0,3}fractures?", ("rib_fracture",)),
)

# Looked at first: they hold a negating word and negate no finding.
PSEUDO: tuple[str, ...] = (
    r"no (?:\w+ ){0,2}(?:change|increase|decrease|worsening|improvement|progression|interval change)"
    r"(?: \w+)?(?: (?:in|of|from))?",
    r"(?:not|without|no) (?:\w+ )?(?:changed|increased|worsened|improved|different)",
    r"without (?:\w+ ){0,2}change",
    r"not only",
    r"no (?:other|additional|further)",
)
UNCERTAIN_BEFORE: tuple[str, ...] = (
    r"possib(?:le|ly)",
    r"possibility of",
    r"(?:may|might|could) (?:\w+ )?(?:represent|reflect|be|indicate|suggest|relate to|have)"
    r"(?: (?:due|secondary|related) to)?",
    r"can(?:not|'t| not) (?:\w+ )?(?:exclude|rule out)",
    r"(?:not|difficult to) (?:\w+ )?(?:exclude|rule out)",
    r"question(?:able| of)?|equivocal",
    r"suspicio(?:us for|n (?:of|for))|suspect(?:ed)?|concern(?:ing)? for|worrisome for",
    r"(?:evaluate|assess|evaluation|assessment|workup|screening) for|rule out|r/o|exclude",
    r"borderline|upper limits? of normal",
    r"versus|vs\.?|differential (?:\w+ )?(?:includes?|considerations?)",
    r"if (?:there is )?(?:clinically )?(?:concern|suspicion)",
)
UNCERTAIN_AFTER: tuple[str, ...] = (
    r"(?:is|are|was|were) (?:\w+ )?(?:possible|suspected|questioned|questionable|considered)",
    r"(?:can(?:not|'t| not)|could not|not) (?:\w+ )?(?:be )?(?:\w+ )?(?:excluded|ruled out)",
    r"(?:not|difficult to|hard to) (?:\w+ )?(?:exclude[d]?|rule out)",
    r"(?:should|could|may) be considered",
    r"(?:is|remains) (?:a )?(?:possibility|consideration|differential)",
    r"versus|vs\.?",
)
NEGATED_BEFORE: tuple[str, ...] = (
    r"no(?: (?:definite|definitive|convincing|radiographic|evidence|signs?|suggestion|indication|of|for|visible"
    r"|obvious))*",
    r"without(?: (?:evidence|signs?|definite|any|of))*",
    r"(?:free|clear|cleared) of",
    r"negative for",
    r"absen(?:ce of|t)",
    r"neither|nor",
    r"(?:do|does|did) not (?:\w+ )?(?:see|show|demonstrate|identify|reveal|have|suggest|appear)(?: \w+)?",
    r"not (?:\w+ ){0,2}(?:show|demonstrate|see|identify|reveal|suggest|have|present)\w*",
    r"(?:has|have|is|are|was|were) not(?: \w+ed)?",
    r"(?:resolution|removal|clearing|extubation) of|status post removal of|(?:removed|resolved)(?: the)?",
    r"non(?=-| )",
    r"rather than",
)
NEGATED_AFTER: tuple[str, ...] = (
    r"(?:(?:is|are|was|were|has been|have been|can be|could be|has|have) )*(?:not|no longer|never) (?:\w+ ){0,2}"
    r"(?:seen|identified|present|visuali[sz]ed|evident|demonstrated|appreciated|detected|apparent|noted|observed|found|enlarged)",
    r"(?:(?:is|are|was|were|has|have|has been|have been|now|completely|interval|since) )*"
    r"(?:absent|resolved|cleared|excluded|ruled out|removed)",
    r"is no longer|are no longer",
    r": (?:no|none|absent|negative)",
)
# A scope never passes one of these.
BARRIERS: tuple[str, ...] = (
    r"but|however|although|though|while|whereas|yet|except(?: for)?|aside from|apart from|other than|besides|despite",
    r"there (?:is|are|has been|was|were)|which|secondary to|because of|due to|likely (?:representing|due|reflecting)",
    r", (?:and )?(?:with )?(?:stable|unchanged|persistent|mild(?:ly)?|moderate|severe|again|status post|there)",
    r"and (?:stable|unchanged|persistent|mild|moderate|severe|there|a|an|the (?:heart|cardiac|lungs?|pulmonary"
    r"|mediastin\w+))",
    r"with (?:stable|unchanged|persistent|mild|moderate|severe|small|large|a|an|new)",
)
VERBS = r"(?:is|are|was|were|has|have|remains?|shows?|demonstrates?|appears?|projects?|terminates?)"

SIDES: tuple[tuple[str, str], ...] = (
    (r"bilateral(?:ly)?|both|bibasilar|biapical|bibasal|right and left|left and right", "both"),
    (r"right(?:-sided|ward)?|rt|dextro\w*", "right"),
    (r"left(?:-sided|ward)?|lt|levo\w*|lingula\w*|retrocardiac", "left"),
)
SEVERITIES: tuple[tuple[str, str], ...] = (
    (r"trace|tiny|minimal(?:ly)?|subtle|minute", "minimal"),
    (r"small|mild(?:ly)?|slight(?:ly)?|minor|low[ -]grade", "mild"),
    (r"moderate(?:ly)?|mild to moderate|moderate[ -]sized", "moderate"),
    (r"large|severe(?:ly)?|massive(?:ly)?|marked(?:ly)?|extensive|gross(?:ly)?|tension|significant(?:ly)?", "severe"),
)
# Sections that tell what was asked or known before, not what was seen.
NOT_SEEN_SECTIONS = (
    r"(?:clinical )?(?:indications?|history|information|data)|clinical (?:indication|history|question)"
    r"|reason for (?:exam(?:ination)?|study|the exam)|comparisons?|technique|procedure|exam(?:ination)?(?: type)?|study"
    r"|views?|recommendations?|addendum|patient|name|mrn|accession|dob|date|referring \w+|ordering \w+"
)
SEEN_SECTIONS = r"findings?|impressions?|conclusions?|opinion|interpretation|report|result|summary|chest|lungs?|heart"
# Stems that name a finding or a device even inside a broken word: a generator reads "pacemakerging" as a pacemaker.
STEMS = (
    r"cardiomegal|effusion|hydrotho|hemotho|consolidat|pneumon|infiltrat|opaci|atelecta|collapse|edema|congest|pneumotho"
    r"|nodul|mass|tumou?r|lesion|emphysem|hyperinfl|bulla|fibro|reticul|thicken|plaque|hernia|scolio|fractur|callus"
    r"|granulom|calcifi|pacemak|pacer|icd|defibrill|catheter|line|tube|wire|sternotom|drain|clip|prosthe|enlarg"
)
